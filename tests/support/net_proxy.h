// The network between crossfade and PostgreSQL, as the tests want it: a TCP proxy on loopback in
// front of a server that listens on a Unix socket.
//
// What went silent stays silent until its client closes it, also once the line is healed: bytes
// that were swallowed do not come later, and a firewall that forgot a connection never knows it
// again. Its client's end is not told to the server, until heal() or end_dead_sessions() does what
// the server's own keepalives do after a minute.
// Threads: one of its own does the work. Every method may be called from any thread, and what it
// asks for is in force when it returns. The destructor cuts what is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace crossfade::testing {

enum class Way : uint8_t { kToServer, kToClient };

struct Slowness {
  int64_t bytes_per_s = 0;             // 0: as fast as can be
  std::chrono::milliseconds delay{0};  // of each piece that is read, 64 KiB at most
};

// Springs once, on the first connection on which `at` passes to the server after `after` has.
struct Trap {
  enum class What : uint8_t {
    kCut,            // everything, and nobody gets through; `at` does not
    kSilence,        // everything, both ways; `at` does not get through
    kSilenceOne,     // this connection only; `at` does not get through
    kSwallowAnswer,  // `at` gets through; then nothing comes back on this connection
  };
  What what = What::kCut;
  std::string after;  // empty: whatever went before
  std::string at;
};

class NetProxy {
 public:
  // In front of the server that `url` names, which must be one of TestCluster's.
  explicit NetProxy(const std::string& url);
  ~NetProxy();
  NetProxy(const NetProxy&) = delete;
  NetProxy& operator=(const NetProxy&) = delete;

  // The database that `url` names, by way of this proxy.
  [[nodiscard]] std::string url() const;

  // All that is there ends with a RST, and so does whoever comes until heal().
  void cut();
  // The same, but who comes is refused: nobody listens.
  void refuse();
  // Sockets stay open, also those of whoever comes, and nothing is forwarded; both ways, or one.
  void silence();
  void silence(Way way);
  // Only those that stream the server's log at this time.
  void silence_streams();
  void slow(Way way, Slowness slowness);
  // Flips a bit of one byte, once: the one that is `offset` bytes into the next occurrence of
  // `text`.
  void corrupt(Way way, std::string text, size_t offset);
  // Of the first connection that comes by it, counted from its beginning.
  void corrupt_at(Way way, uint64_t position);
  void set_trap(Trap trap);
  // Who comes from now on gets through; no trap is set, nothing is slow, nothing will be corrupted.
  // Dead sessions end, unless they are to be kept.
  void heal(bool keep_dead_sessions = false);
  // The server learns that the clients of silent connections are gone, or are as good as that.
  void end_dead_sessions();

  struct Counts {
    uint64_t connections = 0;     // that got through
    uint64_t turned_away = 0;     // while cut
    uint64_t unheard = 0;         // who came while it was silent
    uint64_t sprung = 0;          // traps
    uint64_t answers_lost = 0;    // of what a trap let through, which the server answered
    uint64_t corrupted = 0;       // bytes
    uint64_t swallowed = 0;       // bytes
    uint64_t passed[2] = {0, 0};  // bytes, by Way
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::testing
