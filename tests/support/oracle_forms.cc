// Cells of the types that read a text or a blob as something: both sides say which instant, which
// sixteen bytes, which floats. Written without the engine, whose reading is what is under test.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing::oracle {
namespace {

int number(const std::string& text, size_t at, size_t count) {
  return at + count <= text.size() ? std::atoi(text.substr(at, count).c_str()) : -1;
}

// "Z", " UTC", "", "+02", "-0330", "+02:00".
std::chrono::minutes offset(const std::string& zone) {
  if (zone.empty() || (zone[0] != '+' && zone[0] != '-')) return std::chrono::minutes(0);
  const int hours = number(zone, 1, 2);
  const int minutes = zone.size() > 3 ? number(zone, zone[3] == ':' ? 4 : 3, 2) : 0;
  return std::chrono::minutes((hours * 60 + minutes) * (zone[0] == '-' ? -1 : 1));
}

// ISO 8601 as both databases spell it, with whatever separators.
std::string instant_cell(const std::string& text) {
  using std::chrono::day, std::chrono::month, std::chrono::year;
  const std::chrono::year_month_day date(year(number(text, 0, 4)),
                                         month(static_cast<unsigned>(number(text, 5, 2))),
                                         day(static_cast<unsigned>(number(text, 8, 2))));
  if (text.size() < 10 || !date.ok()) return "(no instant) " + text;
  std::chrono::sys_time<std::chrono::microseconds> at = std::chrono::sys_days(date);
  if (text.size() >= 16) {
    at += std::chrono::hours(number(text, 11, 2)) + std::chrono::minutes(number(text, 14, 2));
    size_t end = 16;
    if (text.size() > end && text[end] == ':') {
      at += std::chrono::seconds(number(text, 17, 2));
      end = 19;
    }
    if (text.size() > end && text[end] == '.') {
      const size_t start = end + 1;
      for (end = start; end < text.size() && std::isdigit(text[end]) != 0;) ++end;
      std::string digits = text.substr(start, end - start);
      digits.resize(6, '0');
      at += std::chrono::microseconds(std::atoi(digits.c_str()));
    }
    at -= offset(text.substr(end));
  }
  return "@" + std::to_string(at.time_since_epoch().count());
}

std::string uuid_cell(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  for (char& c : text) c = static_cast<char>(std::tolower(c));
  return "U" + text;
}

template <typename T>
std::string array_cell(const std::string& text) {
  std::string bytes;
  const char* at = text.c_str() + 1;  // { or [
  while (*at != '\0' && *at != '}' && *at != ']') {
    char* end = nullptr;
    const T value = sizeof(T) == sizeof(float) ? static_cast<T>(std::strtof(at, &end))
                                               : static_cast<T>(std::strtod(at, &end));
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    if (end == at) return "(no array) " + text;
    at = *end == ',' ? end + 1 : end;
  }
  return "B" + to_hex(bytes);
}

bool is_instant(const std::string& type) {
  return type == "date" || type.starts_with("timestamp");
}

bool is_array(const std::string& type) {
  return type == "real[]" || type == "double precision[]" || type.starts_with("vector");
}

}  // namespace

std::string source_text_cell(const std::string& text, const std::string& type) {
  if (is_instant(type)) return instant_cell(text);
  if (type == "uuid") return uuid_cell(text);
  if (type == "json") return "T" + text;
  if (type == "boolean") {
    std::string word = text;
    for (char& c : word) c = static_cast<char>(std::tolower(c));
    for (const char* yes : {"t", "true", "y", "yes", "on"}) {
      if (word == yes) return "I1";
    }
    for (const char* no : {"f", "false", "n", "no", "off"}) {
      if (word == no) return "I0";
    }
  }
  return "";
}

std::string source_blob_cell(std::string_view bytes, const std::string& type) {
  if (type == "uuid") return "U" + to_hex(bytes);
  return is_array(type) ? "B" + to_hex(bytes) : "";
}

std::string target_form_cell(const std::string& text, const std::string& type) {
  if (is_instant(type)) return instant_cell(text);
  if (type == "uuid") return uuid_cell(text);
  if (type == "json") return "T" + text;
  if (!is_array(type)) return "";
  return type == "double precision[]" ? array_cell<double>(text) : array_cell<float>(text);
}

}  // namespace crossfade::testing::oracle
