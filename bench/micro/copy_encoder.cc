// The copy's inner loop: a stored row to COPY BINARY.
#include "apply/encoder.h"
#include "bench/micro/kernels.h"
#include "verify/source_rows.h"

namespace crossfade::bench {

Kernel copy_encoder_kernel() {
  auto sample = make_sample();
  auto select = std::make_shared<sqlite::Statement>(
      must(sqlite::Statement::prepare(sample->source, verify::select_source(sample->table))));
  auto encoder = std::make_shared<apply::RowEncoder>(sample->table);
  auto out = std::make_shared<apply::EncodedRows>();
  return {"copy_encoder", kSampleRows, "row", true, [sample, select, encoder, out] {
            out->clear();
            while (must(select->step())) {
              if (encoder->append(*select, out.get())) give_up("a row does not fit");
            }
            select->reset();
          }};
}

}  // namespace crossfade::bench
