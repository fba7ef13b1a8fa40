#include "engine/schema/evidence_floats.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace crossfade::schema {
namespace {

constexpr size_t kElementsMin = 16;  // shorter ones may be anything
constexpr double kMagnitudeMax = 1e6;
constexpr double kMagnitudeMin = 1e-30;
constexpr double kTiny = 2e-4;  // text of digits reads as 2e-10 to 1.8e-4

static_assert(std::endian::native == std::endian::little, "arrays are read as they lie in memory");

template <typename T>
T load(std::string_view bytes, size_t at) {
  T out{};
  std::memcpy(&out, bytes.data() + at, sizeof(T));
  return out;
}

}  // namespace

bool FloatReader::add(double value) {
  const double magnitude = std::fabs(value);
  ++count_;
  if (magnitude == 0) {
    ++zeros_;
    return true;
  }
  if (!(magnitude < kMagnitudeMax) || magnitude < kMagnitudeMin) return false;  // NaN too
  if (magnitude < kTiny) ++tiny_;
  return true;
}

bool FloatReader::add32(std::string_view bytes) {
  for (size_t at = 0; !refuted_ && at < bytes.size(); at += sizeof(float)) {
    refuted_ = !add(static_cast<double>(load<float>(bytes, at)));
  }
  return !refuted_;
}

bool FloatReader::add64(std::string_view bytes) {
  for (size_t at = 0; !refuted_ && at < bytes.size(); at += sizeof(double)) {
    refuted_ = !add(load<double>(bytes, at));
  }
  return !refuted_;
}

bool FloatReader::plausible() const {
  return !refuted_ && count_ > 0 && zeros_ <= count_ / 2 && tiny_ <= count_ / 10;
}

void FloatEvidence::add(std::string_view bytes) {
  if (abandoned_) return;
  if (blobs_ == 0) bytes_ = bytes.size();
  ++blobs_;
  const bool floats = bytes.size() % sizeof(float) == 0 &&
                      bytes.size() >= kElementsMin * sizeof(float) && floats_.add32(bytes);
  const bool doubles = bytes.size() % sizeof(double) == 0 &&
                       bytes.size() >= kElementsMin * sizeof(double) && doubles_.add64(bytes);
  abandoned_ = bytes.size() != bytes_ || (!floats && !doubles);
  if (abandoned_ || !floats || !doubles) return;
  for (size_t at = 0; at < bytes.size(); at += sizeof(double)) {
    ++pairs_;
    if (load<uint32_t>(bytes, at) == 0) ++round_pairs_;
  }
}

std::optional<SourceForm> FloatEvidence::form(int64_t blobs) const {
  if (abandoned_ || blobs == 0 || blobs_ != blobs) return std::nullopt;
  const bool doubles = bytes_ >= kElementsMin * sizeof(double) && bytes_ % sizeof(double) == 0 &&
                       doubles_.plausible();
  if (doubles && (!floats_.plausible() || round_pairs_ * 2 > pairs_)) {
    return SourceForm::kFloat64Bytes;
  }
  if (floats_.plausible()) return SourceForm::kFloat32Bytes;
  return std::nullopt;
}

}  // namespace crossfade::schema
