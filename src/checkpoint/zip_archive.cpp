#include "checkpoint/zip_archive.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

// PKWARE's application note 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14
// to 4.3.16 (its end, in 32 and 64 bits) and 4.5.3 (sizes of 64 bits). Little-endian throughout.
constexpr std::uint64_t kLocalHeader = 0x04034b50;
constexpr std::uint64_t kCentralHeader = 0x02014b50;
constexpr std::uint64_t kEnd = 0x06054b50;
constexpr std::uint64_t kEnd64 = 0x06064b50;
constexpr std::uint64_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kLocatorBytes = 20;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLongestComment = 65535;
constexpr std::uint64_t kIn64Bits = 0xFFFFFFFF;  // a size or offset that the extra field holds
constexpr std::uint64_t kEncrypted = 1;

class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  std::uint64_t number(std::uint64_t at, std::size_t bytes) const {
    const auto part = span(at, bytes, "a number");
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) {
      value = (value << 8) | std::to_integer<std::uint64_t>(part[i]);
    }
    return value;
  }

  std::span<const std::byte> span(std::uint64_t at, std::uint64_t bytes,
                                  std::string_view what) const {
    if (at > file_.size() || bytes > file_.size() - at) {
      fail(std::string(what) + " of the zip archive leaves the file");
    }
    return file_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(bytes));
  }

  std::string text(std::uint64_t at, std::uint64_t bytes) const {
    const auto part = span(at, bytes, "a name");
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  std::size_t size() const { return file_.size(); }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::bad_model, printable(name_) + ": " + what,
                "the file is damaged or was edited; download or save it again");
  }

 private:
  std::span<const std::byte> file_;
  const std::string& name_;
};

struct Directory {
  std::uint64_t at, members;
};

// The end record is the last one whose comment reaches the end of the file.
std::uint64_t find_end(const Reader& in) {
  if (in.size() >= kEndBytes) {
    const std::size_t last = in.size() - kEndBytes;
    const std::size_t first = last - std::min(last, kLongestComment);
    for (std::size_t at = last + 1; at-- > first;) {
      if (in.number(at, 4) == kEnd && at + kEndBytes + in.number(at + 20, 2) == in.size()) {
        return at;
      }
    }
  }
  in.fail("no end of a zip archive, expected what torch.save() writes");
}

Directory find_directory(const Reader& in) {
  const std::uint64_t end = find_end(in);
  Directory directory{in.number(end + 16, 4), in.number(end + 10, 2)};
  if (end >= kLocatorBytes && in.number(end - kLocatorBytes, 4) == kEnd64Locator) {
    const std::uint64_t end64 = in.number(end - kLocatorBytes + 8, 8);
    in.span(end64, kEnd64Bytes, "the end record");
    if (in.number(end64, 4) != kEnd64) in.fail("the zip archive has no 64-bit end record");
    directory = {in.number(end64 + 48, 8), in.number(end64 + 32, 8)};
  }
  if (directory.members > static_cast<std::uint64_t>(limits::kArchiveMembers)) {
    in.fail("a zip archive of " + std::to_string(directory.members) +
            " members, expected at most " + std::to_string(limits::kArchiveMembers));
  }
  return directory;
}

struct Member {
  std::string name;
  std::uint64_t bytes, header;
  std::uint64_t record_bytes;  // size of the central directory
};

// Sizes and the offset that do not fit in 32 bits stand in the extra field, in this order.
void read_wide_numbers(const Reader& in, std::uint64_t at, std::uint64_t bytes,
                       std::span<std::uint64_t* const> numbers) {
  constexpr std::uint64_t kWide = 1;
  const std::uint64_t end = at + bytes;
  while (at + 4 <= end) {
    const std::uint64_t kind = in.number(at, 2), length = in.number(at + 2, 2);
    at += 4;
    if (kind == kWide) {
      std::uint64_t read = 0;
      for (std::uint64_t* number : numbers) {
        if (*number != kIn64Bits) continue;
        if (read + 8 > length) in.fail("a 64-bit size of the zip archive is missing");
        *number = in.number(at + read, 8);
        read += 8;
      }
      return;
    }
    at += length;
  }
}

Member read_member(const Reader& in, std::uint64_t at) {
  in.span(at, kCentralBytes, "the directory");
  if (in.number(at, 4) != kCentralHeader) in.fail("the directory of the zip archive is damaged");
  const std::uint64_t name_bytes = in.number(at + 28, 2), extra_bytes = in.number(at + 30, 2);
  const std::uint64_t comment_bytes = in.number(at + 32, 2);
  std::uint64_t packed = in.number(at + 20, 4);
  Member member{in.text(at + kCentralBytes, name_bytes), in.number(at + 24, 4),
                in.number(at + 42, 4), kCentralBytes + name_bytes + extra_bytes + comment_bytes};
  std::uint64_t* const wide[] = {&member.bytes, &packed, &member.header};
  read_wide_numbers(in, at + kCentralBytes + name_bytes, extra_bytes, wide);
  if (in.number(at + 8, 2) & kEncrypted) in.fail(quote(member.name) + " is encrypted");
  if (in.number(at + 10, 2) != 0 || packed != member.bytes) {
    in.fail(quote(member.name) + " is compressed, expected members as they are");
  }
  return member;
}

std::span<const std::byte> content(const Reader& in, const Member& member) {
  in.span(member.header, kLocalBytes, "the member " + quote(member.name));
  const std::uint64_t name_bytes = in.number(member.header + 26, 2);
  if (in.number(member.header, 4) != kLocalHeader ||
      in.text(member.header + kLocalBytes, name_bytes) != member.name) {
    in.fail("the zip archive has another member where its directory says " + quote(member.name));
  }
  const std::uint64_t extra_bytes = in.number(member.header + 28, 2);
  return in.span(member.header + kLocalBytes + name_bytes + extra_bytes, member.bytes,
                 "the member " + quote(member.name));
}

// What follows the folder that all members share.
std::string inside_folder(const Reader& in, const std::string& name) {
  const std::size_t slash = name.find('/');
  const bool leaves = name.find("..") != std::string::npos || name.starts_with('/') ||
                      name.find('\\') != std::string::npos || name.find('\0') != std::string::npos;
  if (leaves || slash == std::string::npos) {
    in.fail("a member named " + quote(name) + ", expected one folder with everything in it");
  }
  return name.substr(slash + 1);
}

}  // namespace

std::map<std::string, std::span<const std::byte>> read_zip_members(std::span<const std::byte> file,
                                                                   const std::string& name) {
  const Reader in(file, name);
  const Directory directory = find_directory(in);
  std::map<std::string, std::span<const std::byte>> members;
  std::uint64_t at = directory.at;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    const Member member = read_member(in, at);
    if (!members.emplace(inside_folder(in, member.name), content(in, member)).second) {
      in.fail("two members named " + quote(member.name));
    }
    at += member.record_bytes;
  }
  return members;
}

}  // namespace instructblip
