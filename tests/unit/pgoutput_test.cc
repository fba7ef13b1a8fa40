// Promise: what PostgreSQL 15 sent is understood, and no other bytes are taken for a message.
#include "capture/pgoutput.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "engine/postgres/pg_lsn.h"
#include "tests/support/process.h"

namespace crossfade::capture::pgoutput {
namespace {

using postgres::parse_pg_lsn;
using postgres::to_string;

std::string unhex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

struct Golden {
  std::string bytes;
  std::string says;
};

// Lines of hexadecimal digits, each followed by one of what the message says.
std::vector<Golden> golden() {
  std::ifstream file(crossfade::testing::project_file("tests/golden/pgoutput.txt"));
  std::vector<Golden> out;
  std::string hex;
  std::string says;
  while (std::getline(file, hex) && std::getline(file, says)) out.push_back({unhex(hex), says});
  return out;
}

std::string shown(const Tuple& tuple) {
  std::string out;
  for (const Field& field : tuple) {
    out += out.empty() ? "" : ", ";
    const std::string bytes = field.bytes.size() > 40 ? fmt::format("{} bytes", field.bytes.size())
                                                      : std::string(field.bytes);
    switch (field.kind) {
      case FieldKind::kNull:
        out += "null";
        break;
      case FieldKind::kUnchanged:
        out += "unchanged";
        break;
      case FieldKind::kText:
      case FieldKind::kBinary:
        out += "'" + bytes + "'";
    }
  }
  return "(" + out + ")";
}

const char* shown(Old old) {
  return old == Old::kNone ? "" : old == Old::kKey ? " key " : " row ";
}

struct Shown {
  std::string operator()(const Begin& m) const {
    return fmt::format("begin {} commit {} at {}", m.xid, to_string(m.commit), m.committed_at);
  }
  std::string operator()(const Commit& m) const {
    return fmt::format("commit {} end {} at {}", to_string(m.commit), to_string(m.end),
                       m.committed_at);
  }
  std::string operator()(const Origin& m) const {
    return fmt::format("origin {} at {}", m.name, to_string(m.commit));
  }
  std::string operator()(const Message& m) const {
    return fmt::format("message {} '{}' '{}' at {}", m.transactional ? "in" : "outside", m.prefix,
                       m.content, to_string(m.at));
  }
  std::string operator()(const Relation& m) const {
    std::string out =
        fmt::format("relation {} {}.{} {}", m.id, m.schema, m.name, m.replica_identity);
    for (const RelationColumn& c : m.columns) {
      out += fmt::format("{} {} {} {}{}", &c == m.columns.data() ? ":" : ",", c.name, c.type,
                         c.typmod, c.key ? " key" : "");
    }
    return out;
  }
  std::string operator()(const Type& m) const {
    return fmt::format("type {} {}.{}", m.id, m.schema, m.name);
  }
  std::string operator()(const Insert& m) const {
    return fmt::format("insert {} {}", m.relation, shown(m.after));
  }
  std::string operator()(const Update& m) const {
    return fmt::format("update {}{}{} to {}", m.relation, shown(m.old),
                       m.old == Old::kNone ? "" : shown(m.before), shown(m.after));
  }
  std::string operator()(const Delete& m) const {
    return fmt::format("delete {}{}{}", m.relation, shown(m.old), shown(m.before));
  }
  std::string operator()(const Truncate& m) const {
    return fmt::format("truncate {}{}{}", fmt::join(m.relations, ","), m.cascade ? " cascade" : "",
                       m.restart_identity ? " restart" : "");
  }
  std::string operator()(const StreamStart& m) const {
    return fmt::format("stream {}{}", m.xid, m.first ? " first" : "");
  }
  std::string operator()(const StreamStop&) const { return "stream stop"; }
  std::string operator()(const StreamCommit& m) const {
    return fmt::format("stream commit {} {} end {}", m.xid, to_string(m.commit), to_string(m.end));
  }
  std::string operator()(const StreamAbort& m) const {
    return fmt::format("stream abort {} {}", m.xid, m.subtransaction);
  }
};

std::string shown(const Decoded& decoded) {
  return (decoded.xid ? fmt::format("[{}] ", *decoded.xid) : "") +
         std::visit(Shown(), decoded.content);
}

TEST(PgoutputTest, SaysWhatTheServerSent) {
  const std::vector<Golden> messages = golden();
  ASSERT_GT(messages.size(), 40U);
  Decoder decoder;
  for (const Golden& each : messages) {
    const auto decoded = decoder.decode(each.bytes);
    ASSERT_TRUE(decoded) << each.says << ": " << decoded.error().native;
    EXPECT_EQ(shown(decoded.value()), each.says);
  }
}

// The same decoder takes the whole message afterwards: what was cut off has changed nothing.
TEST(PgoutputTest, NoPartOfAMessageIsOne) {
  Decoder decoder;
  for (const Golden& each : golden()) {
    for (size_t size = 0; size < each.bytes.size(); ++size) {
      EXPECT_FALSE(decoder.decode(std::string_view(each.bytes).substr(0, size)))
          << each.says << " cut at " << size;
    }
    EXPECT_FALSE(decoder.decode(each.bytes + '\0')) << each.says;
    ASSERT_TRUE(decoder.decode(each.bytes)) << each.says;
  }
}

TEST(PgoutputTest, AFlippedBitIsAMessageOrAnError) {
  for (const Golden& each : golden()) {
    for (size_t bit = 0; bit < each.bytes.size() * 8; ++bit) {
      std::string bytes = each.bytes;
      bytes[bit / 8] =
          static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ (1U << (bit % 8)));
      Decoder decoder;
      const auto decoded = decoder.decode(bytes);
      if (!decoded) continue;
      EXPECT_FALSE(shown(decoded.value()).empty());
    }
  }
}

TEST(PgoutputTest, StreamsNeitherNestNorEndTwice) {
  const std::string start = unhex("530000030001");
  const std::string stop = "E";
  Decoder decoder;
  EXPECT_FALSE(decoder.decode(stop));
  ASSERT_TRUE(decoder.decode(start));
  EXPECT_FALSE(decoder.decode(start));
  decoder.reset();
  EXPECT_FALSE(decoder.decode(stop));
  ASSERT_TRUE(decoder.decode(start));
  ASSERT_TRUE(decoder.decode(stop));
}

TEST(PgLsnTest, IsWrittenAsPostgresWritesIt) {
  for (const char* text : {"0/0", "0/1", "16/B374D848", "FFFFFFFF/FFFFFFFF"}) {
    const auto lsn = parse_pg_lsn(text);
    ASSERT_TRUE(lsn) << text;
    EXPECT_EQ(to_string(*lsn), text);
  }
  EXPECT_LT(*parse_pg_lsn("0/FFFFFFFF"), *parse_pg_lsn("1/0"));
  for (const char* text : {"", "/", "1/", "/1", "1", "1/2/3", "x/1", "100000000/0", "0/100000000",
                           " 0/0", "0/0 ", "-1/0"}) {
    EXPECT_FALSE(parse_pg_lsn(text)) << text;
  }
}

}  // namespace
}  // namespace crossfade::capture::pgoutput
