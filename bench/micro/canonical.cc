// verify's canonical form, of values from either side.
#include "verify/canonical.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apply/encoder.h"
#include "bench/micro/kernels.h"

namespace crossfade::bench {
namespace {

// The fields of the sample's rows as PostgreSQL would send them: what the copy writes.
std::vector<std::vector<std::string>> fields_of(const Sample& sample) {
  const std::vector<apply::Codec> codecs = apply::codecs_of(sample.table);
  std::vector<std::vector<std::string>> out;
  for (const Row& row : sample.rows) {
    std::vector<std::string>& fields = out.emplace_back();
    for (size_t c = 0; c < row.size(); ++c) {
      std::string field;
      if (!apply::append_field(view_of(row[c]), codecs[c], &field)) give_up("a misfit");
      fields.push_back(field.substr(sizeof(int32_t)));
    }
  }
  return out;
}

size_t values_of(const Sample& sample) {
  return sample.rows.size() * sample.table.columns.size();
}

}  // namespace

Kernel canonical_source_kernel() {
  auto sample = make_sample();
  auto out = std::make_shared<std::string>();
  return {"canonical_source", values_of(*sample), "value", true, [sample, out] {
            for (const Row& row : sample->rows) {
              out->clear();
              for (size_t c = 0; c < row.size(); ++c) {
                if (!verify::append_canonical_source(row[c], sample->table.columns[c].type,
                                                     out.get())) {
                  give_up("a misfit");
                }
              }
            }
          }};
}

Kernel canonical_target_kernel() {
  auto sample = make_sample();
  auto fields = std::make_shared<std::vector<std::vector<std::string>>>(fields_of(*sample));
  auto out = std::make_shared<std::string>();
  return {"canonical_target", values_of(*sample), "value", true, [sample, fields, out] {
            for (const std::vector<std::string>& row : *fields) {
              out->clear();
              for (size_t c = 0; c < row.size(); ++c) {
                must(verify::append_canonical_target(row[c], false, sample->table.columns[c].type,
                                                     out.get()));
              }
            }
          }};
}

}  // namespace crossfade::bench
