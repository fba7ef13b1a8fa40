#include "engine/run/control_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <future>
#include <initializer_list>
#include <istream>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "engine/observe/log.h"
#include "engine/run/control_client.h"

namespace crossfade::run {
namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr size_t kRequestBytesMax = 64UL * 1024;
// How long an ending engine waits for a client to take its answer.
constexpr std::chrono::seconds kLastAnswer{1};

// Anybody may have written it: what is not understood is not done half.
bool is_well_formed(const nlohmann::json& request) {
  const auto all = [&](std::initializer_list<const char*> names, auto is_right) {
    return std::all_of(names.begin(), names.end(), [&](const char* name) {
      const auto found = request.find(name);
      return found == request.end() || is_right(*found);
    });
  };
  return all({"dry_run", "no_rollback"}, [](const auto& value) { return value.is_boolean(); }) &&
         all({"way_back"},
             [](const auto& value) {
               return value.is_string() &&
                      parse_way_back_kind(value.template get<std::string>()).has_value();
             }) &&
         all({"digest"}, [](const auto& value) { return value == "sha256" || value == "xxh3"; }) &&
         all({"watch"}, [](const auto& value) { return watch_from_request(value).has_value(); }) &&
         all({"lsn", "max_pause_ms"}, [](const auto& value) {
           return value.is_number_unsigned() && value.template get<uint64_t>() < INT64_MAX;
         });
}

// A field of a request; another type counts as absent.
template <typename T>
T field(const nlohmann::json& request, const char* name, T otherwise) {
  const auto found = request.find(name);
  if (found == request.end()) return otherwise;
  if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) return otherwise;
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return otherwise;
  } else if (!found->is_number_integer()) {
    return otherwise;
  }
  return found->get<T>();
}

// What a client learns whose task the engine did not come to.
TaskResult never_done(const StatusReport& status, TaskKind kind) {
  const bool is_postgres = status.primary == Primary::kPostgres;
  if (is_postgres && kind != TaskKind::kRollback) {
    CutoverReport report;
    report.primary = status.primary;
    report.epoch = status.epoch;
    return {0, to_json(report), "PostgreSQL is primary already; nothing to do\n"};
  }
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "control.ask";
  error.native = fmt::format("the engine was stopped before it was done; {} is primary",
                             is_postgres ? "PostgreSQL" : "SQLite");
  error.hint = "run the same command again";
  return to_result(error);
}

class Conversation;
using Conversations = std::set<std::shared_ptr<Conversation>>;

// One connection: a request, its answer, the end. All of it on the loop's thread. The server owns
// it: a task that is never done must not keep the socket beyond its loop.
class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(stream_protocol::socket socket, Engine& engine, StopSource& stop, AuditLog& audit,
               Conversations& open)
      : socket_(std::move(socket)),
        buffer_(kRequestBytesMax),
        engine_(engine),
        stop_(stop),
        audit_(audit),
        open_(open) {}

  void begin() {
    asio::async_read_until(socket_, buffer_, '\n',
                           [self = shared_from_this()](boost::system::error_code code, size_t) {
                             code ? self->end() : self->handle();
                           });
  }

  // The engine ends: a client that waits gets an answer, one that has not asked gets none.
  void hurry() {
    if (waiting_) return answer(never_done(engine_.board().get(), kind_));
    if (out_.empty()) end();
  }

  void end() {
    boost::system::error_code code;
    socket_.close(code);
    open_.erase(shared_from_this());
  }

 private:
  void handle() {
    std::istream in(&buffer_);
    std::string line;
    std::getline(in, line);
    const auto request = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const std::string command =
        request.is_object() ? field(request, "command", std::string()) : std::string();
    if (command == "verify" || command == "cutover" || command == "rollback" || command == "stop") {
      note_asker(command);
    }
    if (command == "status") {
      const StatusReport status = engine_.board().get();
      answer({0, to_json(status), to_text(status)});
    } else if (command == "stop") {
      stop_.request();
      answer({0, nlohmann::json::object(), "stopping\n"});
    } else if (command == "verify" || command == "cutover" || command == "rollback" ||
               command == "settle") {
      if (!is_well_formed(request)) {
        return answer({2, {{"error", "a field has a wrong value"}}, "a field has a wrong value\n"});
      }
      post_task(command, request);
    } else {
      answer({2, {{"error", "unknown command"}}, "unknown command\n"});
    }
  }

  // The folder's modes let its owner and root in, and the system tells who of them it is.
  void note_asker(const std::string& command) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    nlohmann::json asked = {{"command", command}};
    if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
      asked["uid"] = peer.uid;
      asked["pid"] = peer.pid;
    }
    audit_.record("asked", std::move(asked));
  }

  void post_task(const std::string& command, const nlohmann::json& request) {
    Task task;
    task.kind = command == "verify"     ? TaskKind::kVerify
                : command == "settle"   ? TaskKind::kSettle
                : command == "rollback" ? TaskKind::kRollback
                                        : TaskKind::kCutover;
    kind_ = task.kind;
    task.asked = true;
    if (task.kind == TaskKind::kVerify && field(request, "digest", std::string()) == "sha256") {
      task.digest = verify::DigestKind::kSha256;
    }
    task.settle_at = Lsn{field(request, "lsn", int64_t{0})};
    task.cutover.dry_run = field(request, "dry_run", false);
    task.cutover.no_rollback = field(request, "no_rollback", false);
    task.cutover.way_back = parse_way_back_kind(field(request, "way_back", std::string()));
    task.cutover.max_pause = std::chrono::milliseconds(
        field(request, "max_pause_ms", static_cast<int64_t>(limits::kMaxPauseDefault.count())));
    if (request.contains("watch")) task.cutover.watch = watch_from_request(request["watch"]);
    task.rollback.dry_run = task.cutover.dry_run;
    task.rollback.max_pause = task.cutover.max_pause;
    waiting_ = true;
    if (task.kind == TaskKind::kCutover) task.cutover.withdrawn = gone_;
    if (task.kind == TaskKind::kRollback) task.rollback.withdrawn = gone_;
    watch();
    // Called on the engine's thread, which must not touch the socket.
    task.done = [weak = weak_from_this()](const TaskResult& result) {
      const auto self = weak.lock();
      if (!self) return;
      asio::post(self->socket_.get_executor(), [self, result] {
        if (self->waiting_) self->answer(result);
      });
    };
    engine_.post(std::move(task));
  }

  // Nothing is expected of a client that waits but that it goes away.
  void watch() {
    socket_.async_read_some(asio::buffer(ignored_),
                            [self = shared_from_this()](boost::system::error_code code, size_t) {
                              if (!self->waiting_) return;
                              if (!code) return self->watch();
                              *self->gone_ = true;
                              self->waiting_ = false;
                              self->end();
                            });
  }

  void answer(const TaskResult& result) {
    waiting_ = false;
    const nlohmann::json reply = {
        {"exit_code", result.exit_code}, {"document", result.document}, {"text", result.text}};
    out_ = reply.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    asio::async_write(
        socket_, asio::buffer(out_),
        [self = shared_from_this()](boost::system::error_code, size_t) { self->end(); });
  }

  stream_protocol::socket socket_;
  asio::streambuf buffer_;
  Engine& engine_;
  StopSource& stop_;
  AuditLog& audit_;
  Conversations& open_;
  std::array<char, 64> ignored_{};
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  bool waiting_ = false;               // for the engine to do its task
  TaskKind kind_ = TaskKind::kVerify;  // of that task
  std::string out_;
};

}  // namespace

struct ControlServer::Impl {
  Impl(const std::string& folder, Engine& engine_in, StopSource& stop_in)
      : engine(engine_in),
        stop(stop_in),
        audit(StateFolder::audit_in(folder)),
        acceptor(loop),
        signals(loop, SIGINT, SIGTERM) {}

  void accept() {
    acceptor.async_accept([this](boost::system::error_code code, stream_protocol::socket socket) {
      if (code) return;
      auto talk = std::make_shared<Conversation>(std::move(socket), engine, stop, audit, open);
      open.insert(talk);
      talk->begin();
      accept();
    });
  }

  // Answers that were just posted still go out; the loop ends when all have been taken.
  void close() {
    boost::system::error_code code;
    acceptor.close(code);
    signals.cancel(code);
    for (const auto& talk : Conversations(open)) talk->hurry();
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
  AuditLog audit;
  asio::io_context loop{1};
  Conversations open;  // goes before the loop that its sockets belong to
  stream_protocol::acceptor acceptor;
  asio::signal_set signals;
  std::string socket_path;
  std::thread thread;
  std::future<void> ended;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& folder,
                                                            Engine& engine, StopSource& stop) {
  auto impl = std::make_unique<Impl>(folder, engine, stop);
  impl->watch_signals();
  impl->socket_path = folder + "/control.sock";
  const ShortFolder place(folder);
  ::unlink(impl->socket_path.c_str());
  boost::system::error_code code;
  const stream_protocol::endpoint endpoint(place.path("control.sock"));
  impl->acceptor.open(endpoint.protocol(), code);
  // Before it has a name: with the umask of whoever started it, it would be everybody's for a
  // moment.
  if (!code) ::fchmod(impl->acceptor.native_handle(), 0600);
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
  std::packaged_task<void()> serve([raw = impl.get()] { raw->loop.run(); });
  impl->ended = serve.get_future();
  impl->thread = std::thread(std::move(serve));
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::~ControlServer() {
  asio::post(impl_->loop, [this] { impl_->close(); });
  impl_->ended.wait_for(kLastAnswer);
  impl_->loop.stop();  // a client that takes no answer
  impl_->thread.join();
  ::unlink(impl_->socket_path.c_str());
  // Asio gives the signals back their default, by which one that comes now would kill a process
  // whose work is done before it has said so.
  sigset_t ending{};
  sigset_t before{};
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, &before);
  impl_.reset();
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

nlohmann::json cutover_request(const CutoverOptions& options) {
  nlohmann::json out = {{"command", "cutover"},
                        {"dry_run", options.dry_run},
                        {"no_rollback", options.no_rollback},
                        {"max_pause_ms", options.max_pause.count()}};
  if (options.way_back) out["way_back"] = to_string(*options.way_back);
  if (options.watch) out["watch"] = to_request(*options.watch);
  return out;
}

nlohmann::json rollback_request(const RollbackOptions& options) {
  return {{"command", "rollback"},
          {"dry_run", options.dry_run},
          {"max_pause_ms", options.max_pause.count()}};
}

}  // namespace crossfade::run
