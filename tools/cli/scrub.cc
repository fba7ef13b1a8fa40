#include "tools/cli/scrub.h"

#include <cstring>
#include <string_view>

namespace crossfade::cli {
namespace {

void blank(char* from, size_t count) {
  std::memset(from, 'x', count);
}

void scrub_url(char* argument) {
  const std::string_view text(argument);
  const size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return;
  const size_t begin = scheme + 3;
  const size_t authority_end = text.find_first_of("/?", begin);
  const std::string_view authority = text.substr(begin, authority_end - begin);
  const size_t at = authority.rfind('@');
  const size_t colon = authority.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return;
  blank(argument + begin + colon + 1, at - colon - 1);
}

void scrub_keyword(char* argument) {
  for (char* at = std::strstr(argument, "password="); at != nullptr;
       at = std::strstr(at, "password=")) {
    at += std::strlen("password=");
    blank(at, std::strcspn(at, " &"));
  }
}

}  // namespace

void scrub_passwords(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    scrub_url(argv[i]);
    scrub_keyword(argv[i]);
  }
}

}  // namespace crossfade::cli
