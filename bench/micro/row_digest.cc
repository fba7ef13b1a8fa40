// verify's inner loop on the source: a stored row to its digest and its key.
#include "bench/micro/kernels.h"
#include "verify/source_rows.h"

namespace crossfade::bench {

Kernel row_digest_kernel() {
  auto sample = make_sample();
  auto select = std::make_shared<sqlite::Statement>(
      must(sqlite::Statement::prepare(sample->source, verify::select_source(sample->table))));
  auto digester = std::make_shared<verify::SourceDigester>(sample->table);
  return {"row_digest", kSampleRows, "row", true, [sample, select, digester] {
            Digest128 sum;
            while (must(select->step())) sum += digester->digest(*select).digest;
            select->reset();
            if (sum == Digest128{}) give_up("no rows");
          }};
}

}  // namespace crossfade::bench
