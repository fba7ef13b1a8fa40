#include "engine/core/assert.h"

#include <cstdio>
#include <cstdlib>

namespace crossfade::internal {

void assertion_failed(const char* condition, const char* file, int line,
                      const std::string& detail) {
  std::fprintf(stderr,
               "crossfade: internal error: %s (%s) at %s:%d. Nothing past the last commit was "
               "changed; run the same command again to continue from there.\n",
               condition, detail.c_str(), file, line);
  std::abort();
}

}  // namespace crossfade::internal
