#include "engine/run/control_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <istream>
#include <string>
#include <thread>
#include <utility>

#include "engine/observe/log.h"
#include "engine/run/control_client.h"

namespace crossfade::run {
namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr size_t kRequestBytesMax = 64UL * 1024;

// One connection: a request, its answer, the end. Lives as long as its callbacks.
class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(stream_protocol::socket socket, Engine& engine, StopSource& stop)
      : socket_(std::move(socket)), buffer_(kRequestBytesMax), engine_(engine), stop_(stop) {}

  void begin() {
    asio::async_read_until(socket_, buffer_, '\n',
                           [self = shared_from_this()](boost::system::error_code code, size_t) {
                             if (!code) self->handle();
                           });
  }

 private:
  void handle() {
    std::istream in(&buffer_);
    std::string line;
    std::getline(in, line);
    const auto request = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const std::string command = request.is_object() ? request.value("command", "") : "";
    if (command == "status") {
      const StatusReport status = engine_.board().get();
      answer({0, to_json(status), to_text(status)});
    } else if (command == "stop") {
      stop_.request();
      answer({0, nlohmann::json::object(), "stopping\n"});
    } else if (command == "verify" || command == "cutover") {
      post_task(command, request);
    } else {
      answer({2, {{"error", "unknown command"}}, "unknown command\n"});
    }
  }

  void post_task(const std::string& command, const nlohmann::json& request) {
    Task task;
    task.kind = command == "verify" ? TaskKind::kVerify : TaskKind::kCutover;
    task.cutover.dry_run = request.value("dry_run", false);
    task.cutover.no_rollback = request.value("no_rollback", false);
    task.cutover.max_pause = std::chrono::milliseconds(
        request.value("max_pause_ms", static_cast<int64_t>(limits::kMaxPauseDefault.count())));
    // Called on the engine's thread, which must not touch the socket.
    task.done = [self = shared_from_this()](const TaskResult& result) {
      asio::post(self->socket_.get_executor(), [self, result] { self->answer(result); });
    };
    engine_.post(std::move(task));
  }

  void answer(const TaskResult& result) {
    const nlohmann::json json = {
        {"exit_code", result.exit_code}, {"document", result.document}, {"text", result.text}};
    out_ = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](boost::system::error_code, size_t) {});
  }

  stream_protocol::socket socket_;
  asio::streambuf buffer_;
  Engine& engine_;
  StopSource& stop_;
  std::string out_;
};

}  // namespace

struct ControlServer::Impl {
  Impl(Engine& engine_in, StopSource& stop_in)
      : engine(engine_in), stop(stop_in), acceptor(loop), signals(loop, SIGINT, SIGTERM) {}

  void accept() {
    acceptor.async_accept([this](boost::system::error_code code, stream_protocol::socket socket) {
      if (code) return;
      std::make_shared<Conversation>(std::move(socket), engine, stop)->begin();
      accept();
    });
  }

  void watch_signals() {
    signals.async_wait([this](boost::system::error_code code, int number) {
      if (code) return;
      log::info(number == SIGINT ? "interrupted: ending" : "terminated: ending");
      stop.request();
      watch_signals();
    });
  }

  Engine& engine;
  StopSource& stop;
  asio::io_context loop{1};
  stream_protocol::acceptor acceptor;
  asio::signal_set signals;
  std::string socket_path;
  std::thread thread;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& folder,
                                                            Engine& engine, StopSource& stop) {
  auto impl = std::make_unique<Impl>(engine, stop);
  impl->watch_signals();
  impl->socket_path = folder + "/control.sock";
  const ShortFolder place(folder);
  ::unlink(impl->socket_path.c_str());
  boost::system::error_code code;
  const stream_protocol::endpoint endpoint(place.path("control.sock"));
  impl->acceptor.open(endpoint.protocol(), code);
  if (!code) impl->acceptor.bind(endpoint, code);
  if (!code) impl->acceptor.listen(16, code);
  if (code) {
    Error error;
    error.code = ErrorCode::kStateFolder;
    error.op = "control.listen";
    error.object = impl->socket_path;
    error.native = code.message();
    error.hint = "the state folder must be on a file system that can hold sockets";
    return fail(std::move(error));
  }
  ::chmod(impl->socket_path.c_str(), 0600);
  impl->accept();
  impl->thread = std::thread([raw = impl.get()] { raw->loop.run(); });
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::~ControlServer() {
  // Answers that were just posted still go out: the loop ends when only the waits are left.
  asio::post(impl_->loop, [this] {
    boost::system::error_code code;
    impl_->acceptor.close(code);
    impl_->signals.cancel(code);
  });
  impl_->thread.join();
  ::unlink(impl_->socket_path.c_str());
}

nlohmann::json cutover_request(const CutoverOptions& options) {
  return {{"command", "cutover"},
          {"dry_run", options.dry_run},
          {"no_rollback", options.no_rollback},
          {"max_pause_ms", options.max_pause.count()}};
}

}  // namespace crossfade::run
