// The tables and writes that capture is measured with.
//
// Threads: one.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "bench/load/sides.h"

namespace crossfade::bench {

// kLeast: triggers that write one number each, the least that a trigger can be for.
enum class CaptureMode : uint8_t { kNone, kTriggers, kLeast, kJson, kSession };
enum class CaptureShape : uint8_t { kNarrow, kWide, kBlobs };
// kMixed: of ten writes five are INSERTs, four UPDATEs, one a DELETE.
enum class CaptureOp : uint8_t { kInsert, kUpdate, kDelete, kMixed };

inline constexpr CaptureMode kCaptureModes[] = {CaptureMode::kNone, CaptureMode::kTriggers,
                                                CaptureMode::kLeast, CaptureMode::kJson,
                                                CaptureMode::kSession};
inline constexpr CaptureShape kCaptureShapes[] = {CaptureShape::kNarrow, CaptureShape::kWide,
                                                  CaptureShape::kBlobs};
inline constexpr CaptureOp kCaptureOps[] = {CaptureOp::kInsert, CaptureOp::kUpdate,
                                            CaptureOp::kDelete, CaptureOp::kMixed};

[[nodiscard]] const char* to_string(CaptureMode mode);
[[nodiscard]] const char* to_string(CaptureShape shape);
[[nodiscard]] const char* to_string(CaptureOp op);

// A new file with `rows` rows of the shape, and the mode's triggers.
void make_capture_database(const std::string& path, CaptureShape shape, CaptureMode mode,
                           int64_t rows);

// Runs a statement that answers nothing.
void step(sqlite3_stmt* statement);

// The application's statements. Rows come at the end of the table and go at its beginning.
class CaptureWrites {
 public:
  CaptureWrites(sqlite3* db, CaptureShape shape, int64_t rows);

  // Whether `rows` more of them find their rows.
  [[nodiscard]] bool has(CaptureOp op, int64_t rows) const;
  void next(CaptureOp op);

 private:
  void insert();
  void update();
  void remove();

  const CaptureShape shape_;
  const SqliteStatement insert_;
  const SqliteStatement update_;
  const SqliteStatement remove_;
  int64_t turn_ = 0;
  int64_t newest_;
  int64_t oldest_ = 0;  // rows up to it are gone
};

}  // namespace crossfade::bench
