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
  // As libpq reads it: a '?' before the '@' belongs to the password.
  const size_t authority_end = text.find('/', begin);
  const std::string_view authority = text.substr(begin, authority_end - begin);
  const size_t at = authority.rfind('@');
  const size_t colon = authority.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return;
  blank(argument + begin + colon + 1, at - colon - 1);
}

// A connection string's value ends at a space, or when quoted at its closing quote; a backslash
// takes the next character with it.
size_t value_length(const char* value) {
  const bool quoted = *value == '\'';
  const char* at = quoted ? value + 1 : value;
  while (*at != '\0') {
    if (*at == '\\' && at[1] != '\0') {
      at += 2;
      continue;
    }
    if (quoted && *at == '\'') return static_cast<size_t>(at - value) + 1;
    if (!quoted && (*at == ' ' || *at == '&')) break;
    ++at;
  }
  return static_cast<size_t>(at - value);
}

void scrub_keyword(char* argument) {
  for (char* at = std::strstr(argument, "password"); at != nullptr;
       at = std::strstr(at, "password")) {
    at += std::strlen("password");
    at += std::strspn(at, " ");
    if (*at != '=') continue;
    ++at;
    at += std::strspn(at, " ");
    const size_t size = value_length(at);
    blank(at, size);
    at += size;
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
