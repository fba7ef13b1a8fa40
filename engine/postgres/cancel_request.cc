#include "engine/postgres/cancel_request.h"

#include <libpq-fe.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace crossfade::postgres {
namespace {

struct FreeCancel {
  void operator()(PGcancel* request) const { PQfreeCancel(request); }
};

}  // namespace

void request_cancel(pg_conn* connection, std::chrono::milliseconds patience) {
  std::unique_ptr<PGcancel, FreeCancel> request(PQgetCancel(connection));
  if (!request) return;
  std::promise<void> sent;
  const std::future<void> done = sent.get_future();
  // The thread owns all it uses, so it may outlive the connection.
  std::thread([request = std::move(request), sent = std::move(sent)]() mutable {
    std::array<char, 256> message{};
    PQcancel(request.get(), message.data(), static_cast<int>(message.size()));
    sent.set_value();
  }).detach();
  done.wait_for(patience);
}

}  // namespace crossfade::postgres
