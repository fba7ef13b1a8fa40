#include "tests/support/net_proxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;

constexpr size_t kPieceBytes = size_t{64} * 1024;
constexpr size_t kRememberedBytes = 256;  // of what passed, for texts that are cut in two

enum class Line : uint8_t { kPasses, kCut, kSilent };

size_t index(Way way) {
  return way == Way::kToServer ? 0 : 1;
}

struct Server {
  std::string socket;
  std::string database;
  std::string user;
};

Server server_of(const std::string& url) {
  struct Free {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
  };
  const std::unique_ptr<PQconninfoOption, Free> options(PQconninfoParse(url.c_str(), nullptr));
  if (!options) throw std::runtime_error("not a connection string: " + url);
  const auto value = [&](std::string_view keyword) -> std::string {
    for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
      if (o->keyword == keyword && o->val != nullptr) return o->val;
    }
    return "";
  };
  return {fmt::format("{}/.s.PGSQL.{}", value("host"), value("port")), value("dbname"),
          value("user")};
}

// Processes of a test must not hold open what this one closes.
void keep_from_children(int fd) {
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

struct Corruption {
  Way way = Way::kToServer;
  std::string text;       // empty: by position
  uint64_t position = 0;  // within the text, or of the stream
};

}  // namespace

struct NetProxy::Impl {
  class Link;

  explicit Impl(const std::string& url)
      : server(server_of(url)), acceptor(loop), retired_work(asio::make_work_guard(loop)) {
    bind(0);
    port = acceptor.local_endpoint().port();
    listen();
    thread = std::thread([this] { loop.run(); });
  }

  // On the thread, and waited for.
  void in_loop(const std::function<void()>& what) {
    std::promise<void> done;
    asio::post(loop, [&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }

  // The port is ours then; who comes is refused until somebody listens.
  void bind(uint16_t at) {
    const tcp::endpoint here(asio::ip::address_v4::loopback(), at);
    acceptor.open(here.protocol());
    keep_from_children(acceptor.native_handle());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    // A child between fork and exec still has what was closed here.
    error_code failed;
    if (!wait_until([&] { return !acceptor.bind(here, failed); }, std::chrono::seconds(5))) {
      throw boost::system::system_error(failed, "no port for the proxy");
    }
  }
  void listen() {
    refuses = false;
    acceptor.listen();
    accept();
  }
  void accept();
  void cut_all();
  void silence_all(bool to_server, bool to_client);
  void spring(Link& link);
  void count(const std::function<void(Counts&)>& change) {
    const std::lock_guard lock(mutex);
    change(counts);
  }

  const Server server;
  asio::io_context loop;

  // Of the loop's thread only.
  tcp::acceptor acceptor;
  asio::executor_work_guard<asio::io_context::executor_type> retired_work;
  std::vector<std::weak_ptr<Link>> links;
  Line line = Line::kPasses;
  bool refuses = false;
  bool silent[2] = {false, false};  // while kSilent, by Way
  Slowness slowness[2];
  std::optional<Corruption> corruption;
  std::optional<Trap> trap;
  int traps = 0;  // set so far

  uint16_t port = 0;  // constant after construction

  mutable std::mutex mutex;
  Counts counts;  // guarded by mutex

  std::thread thread;
};

// One connection, of which each way is read, looked at, delayed and written, piece by piece.
class NetProxy::Impl::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Impl& owner, tcp::socket client)
      : owner_(owner),
        client_(std::move(client)),
        server_(owner.loop),
        halves_{Half(owner.loop), Half(owner.loop)} {}

  // `heard`: whether the server learns of it at all.
  void start(bool heard) {
    error_code error;
    client_.set_option(tcp::no_delay(true), error);
    keep_from_children(client_.native_handle());
    if (heard) {
      server_.connect(stream_protocol::endpoint(owner_.server.socket), error);
      if (error) return cut();
      keep_from_children(server_.native_handle());
      read(Way::kToClient);
    }
    read(Way::kToServer);
  }

  void silence(bool to_server, bool to_client) {
    halves_[0].silent = halves_[0].silent || to_server;
    halves_[1].silent = halves_[1].silent || to_client;
  }
  [[nodiscard]] bool dead() const { return halves_[0].silent || halves_[1].silent; }
  [[nodiscard]] bool streams() const { return streams_; }

  void cut() {
    // Sends a RST, also where a child that was forked just now has a copy of the socket.
    const sockaddr nowhere{AF_UNSPEC, {}};
    (void)::connect(client_.native_handle(), &nowhere, sizeof(nowhere));
    error_code ignored;
    client_.close(ignored);
    end_session();
  }
  void end_session() {
    error_code ignored;
    server_.shutdown(stream_protocol::socket::shutdown_both, ignored);
    server_.close(ignored);
    halves_[0].timer.cancel();
    halves_[1].timer.cancel();
  }
  void lose_answer() {
    halves_[1].silent = true;
    answer_wanted_ = true;
  }

 private:
  struct Half {
    explicit Half(asio::io_context& loop) : timer(loop) {}
    std::array<char, kPieceBytes> buffer{};
    asio::steady_timer timer;
    std::string before;     // the end of what has passed
    uint64_t position = 0;  // of the stream
    bool silent = false;
  };

  Half& half(Way way) { return halves_[index(way)]; }

  void read(Way way) {
    Half& of = half(way);
    const auto got = [self = shared_from_this(), way](const error_code& error, size_t n) {
      if (error) return self->ended(way);
      self->take(way, n);
    };
    if (way == Way::kToServer) {
      client_.async_read_some(asio::buffer(of.buffer), got);
    } else {
      server_.async_read_some(asio::buffer(of.buffer), got);
    }
  }

  void take(Way way, size_t n) {
    Half& of = half(way);
    const std::string_view piece(of.buffer.data(), n);
    if (way == Way::kToServer && of.position == 0) {
      streams_ = piece.find("replication") != std::string_view::npos;
    }
    const std::string joined = of.before + std::string(piece);
    corrupt(way, joined, n);
    bool lets_through = true;
    if (way == Way::kToServer && !of.silent) lets_through = look_for_trap(joined);
    of.before = joined.substr(joined.size() - std::min(joined.size(), kRememberedBytes));
    of.position += n;
    if (!lets_through || of.silent) return swallow(way, n);
    const Slowness& slow = owner_.slowness[index(way)];
    auto wait = std::chrono::duration_cast<std::chrono::microseconds>(slow.delay);
    if (slow.bytes_per_s > 0) {
      wait += std::chrono::microseconds(static_cast<int64_t>(n) * 1'000'000 / slow.bytes_per_s);
    }
    if (wait.count() == 0) return write(way, n);
    of.timer.expires_after(wait);
    of.timer.async_wait([self = shared_from_this(), way, n](const error_code& error) {
      if (error) return;
      if (self->half(way).silent) return self->swallow(way, n);
      self->write(way, n);
    });
  }

  // False: it does not get through. A cut has closed everything then.
  bool look_for_trap(const std::string& joined) {
    if (!owner_.trap) return true;
    const Trap& trap = *owner_.trap;
    size_t from = 0;
    if (!trap.after.empty() && after_seen_of_ != owner_.traps) {
      const size_t at = joined.find(trap.after);
      if (at == std::string::npos) return true;
      after_seen_of_ = owner_.traps;
      from = at + trap.after.size();
    }
    const size_t old = halves_[0].before.size();
    const size_t start = std::max(from, old >= trap.at.size() ? old - trap.at.size() + 1 : 0);
    if (joined.find(trap.at, start) == std::string::npos) return true;
    const Trap::What what = trap.what;
    owner_.spring(*this);
    return what == Trap::What::kSwallowAnswer;
  }

  // `n`: of them are new, at the buffer's beginning.
  void corrupt(Way way, const std::string& joined, size_t n) {
    if (!owner_.corruption || owner_.corruption->way != way || half(way).silent) return;
    const Corruption& wanted = *owner_.corruption;
    Half& of = half(way);
    size_t at = 0;  // in what is new
    if (wanted.text.empty()) {
      if (wanted.position < of.position || wanted.position >= of.position + n) return;
      at = wanted.position - of.position;
    } else {
      const size_t old = joined.size() - n;
      const size_t found =
          joined.find(wanted.text, old >= wanted.text.size() ? old - wanted.text.size() + 1 : 0);
      if (found == std::string::npos || found + wanted.position < old ||
          found + wanted.position >= joined.size()) {
        return;
      }
      at = found + wanted.position - old;
    }
    of.buffer[at] = static_cast<char>(of.buffer[at] ^ 0x01);
    owner_.corruption.reset();
    owner_.count([](Counts& c) { ++c.corrupted; });
  }

  void swallow(Way way, size_t n) {
    if (way == Way::kToClient && std::exchange(answer_wanted_, false)) {
      owner_.count([](Counts& c) { ++c.answers_lost; });
    }
    owner_.count([n](Counts& c) { c.swallowed += n; });
    read(way);
  }

  void write(Way way, size_t n) {
    const auto written = [self = shared_from_this(), way](const error_code& error, size_t sent) {
      if (error) return self->ended(way);
      self->owner_.count([&](Counts& c) { c.passed[index(way)] += sent; });
      self->read(way);
    };
    const asio::const_buffer piece(half(way).buffer.data(), n);
    if (way == Way::kToServer) {
      asio::async_write(server_, piece, written);
    } else {
      asio::async_write(client_, piece, written);
    }
  }

  // Whoever was read from has ended, or whoever was written to.
  void ended(Way way) {
    error_code ignored;
    if (!dead()) {
      client_.shutdown(tcp::socket::shutdown_both, ignored);
      client_.close(ignored);
      return end_session();
    }
    // The other end does not hear of it.
    if (way == Way::kToServer) client_.close(ignored);
    if (way == Way::kToClient) end_session();
  }

  Impl& owner_;
  tcp::socket client_;
  stream_protocol::socket server_;
  Half halves_[2];
  bool streams_ = false;
  int after_seen_of_ = 0;  // which trap's
  bool answer_wanted_ = false;
};

void NetProxy::Impl::accept() {
  acceptor.async_accept([this](const error_code& error, tcp::socket client) {
    if (error) return;  // nobody listens any more
    auto link = std::make_shared<Link>(*this, std::move(client));
    std::erase_if(links, [](const auto& each) { return each.expired(); });
    if (line == Line::kCut) {
      link->cut();
      count([](Counts& c) { ++c.turned_away; });
    } else {
      links.push_back(link);
      const bool to_server = line == Line::kSilent && silent[index(Way::kToServer)];
      const bool to_client = line == Line::kSilent && silent[index(Way::kToClient)];
      link->silence(to_server, to_client);
      count([&](Counts& c) { ++(line == Line::kSilent ? c.unheard : c.connections); });
      link->start(!to_server);
    }
    accept();
  });
}

void NetProxy::Impl::cut_all() {
  line = Line::kCut;
  for (const auto& each : links) {
    if (const auto link = each.lock()) link->cut();
  }
}

void NetProxy::Impl::silence_all(bool to_server, bool to_client) {
  line = Line::kSilent;
  silent[index(Way::kToServer)] = silent[index(Way::kToServer)] || to_server;
  silent[index(Way::kToClient)] = silent[index(Way::kToClient)] || to_client;
  for (const auto& each : links) {
    if (const auto link = each.lock()) link->silence(to_server, to_client);
  }
}

void NetProxy::Impl::spring(Link& link) {
  const Trap::What what = trap->what;
  trap.reset();
  switch (what) {
    case Trap::What::kCut:
      cut_all();
      break;
    case Trap::What::kSilence:
      silence_all(true, true);
      break;
    case Trap::What::kSilenceOne:
      link.silence(true, true);
      break;
    case Trap::What::kSwallowAnswer:
      link.lose_answer();
      break;
  }
  count([](Counts& c) { ++c.sprung; });
}

NetProxy::NetProxy(const std::string& url) : impl_(std::make_unique<Impl>(url)) {}

NetProxy::~NetProxy() {
  impl_->in_loop([this] {
    error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->cut_all();
    impl_->retired_work.reset();
  });
  impl_->loop.stop();
  impl_->thread.join();
}

std::string NetProxy::url() const {
  return fmt::format("postgresql://{}@127.0.0.1:{}/{}?sslmode=disable", impl_->server.user,
                     impl_->port, impl_->server.database);
}

void NetProxy::cut() {
  impl_->in_loop([this] { impl_->cut_all(); });
}

void NetProxy::refuse() {
  impl_->in_loop([this] {
    error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->bind(impl_->port);
    impl_->refuses = true;
    impl_->cut_all();
  });
}

void NetProxy::silence() {
  impl_->in_loop([this] { impl_->silence_all(true, true); });
}

void NetProxy::silence(Way way) {
  impl_->in_loop([&] { impl_->silence_all(way == Way::kToServer, way == Way::kToClient); });
}

void NetProxy::silence_streams() {
  impl_->in_loop([this] {
    for (const auto& each : impl_->links) {
      const auto link = each.lock();
      if (link && link->streams()) link->silence(true, true);
    }
  });
}

void NetProxy::slow(Way way, Slowness slowness) {
  impl_->in_loop([&] { impl_->slowness[index(way)] = slowness; });
}

void NetProxy::corrupt(Way way, std::string text, size_t offset) {
  impl_->in_loop([&] { impl_->corruption = Corruption{way, std::move(text), offset}; });
}

void NetProxy::corrupt_at(Way way, uint64_t position) {
  impl_->in_loop([&] { impl_->corruption = Corruption{way, "", position}; });
}

void NetProxy::set_trap(Trap trap) {
  impl_->in_loop([&] {
    impl_->trap = std::move(trap);
    ++impl_->traps;
  });
}

void NetProxy::heal(bool keep_dead_sessions) {
  impl_->in_loop([&] {
    impl_->line = Line::kPasses;
    for (const Way way : {Way::kToServer, Way::kToClient}) {
      impl_->silent[index(way)] = false;
      impl_->slowness[index(way)] = {};
    }
    impl_->corruption.reset();
    impl_->trap.reset();
    if (impl_->refuses) impl_->listen();
  });
  if (!keep_dead_sessions) end_dead_sessions();
}

void NetProxy::end_dead_sessions() {
  impl_->in_loop([this] {
    for (const auto& each : impl_->links) {
      const auto link = each.lock();
      if (link && link->dead()) link->end_session();
    }
  });
}

NetProxy::Counts NetProxy::counts() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counts;
}

}  // namespace crossfade::testing
