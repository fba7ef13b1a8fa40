// The evidence pass that types are chosen by: every stored value is looked at.
#include "bench/micro/kernels.h"
#include "engine/schema/catalog.h"
#include "engine/schema/scan.h"

namespace crossfade::bench {

Kernel evidence_kernel() {
  auto sample = make_sample();
  auto catalog =
      std::make_shared<const schema::Catalog>(must(schema::read_catalog(sample->source)));
  return {"type_evidence", kSampleRows, "row", false, [sample, catalog] {
            const schema::TableEvidence seen =
                must(schema::scan_table(sample->source, catalog->tables.at(0), nullptr));
            if (seen.rows != kSampleRows) give_up("not all rows");
          }};
}

}  // namespace crossfade::bench
