#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>

#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::content_of;
using test::expect_error;
using test::TempDirectory;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::size_t files_in(const TempDirectory& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    ++count;
  }
  return count;
}

TEST(ReadFile, ReadsWholeRegularFilesThroughLinks) {
  const TempDirectory directory;
  directory.write("blob", std::string("a\0b", 3));
  std::filesystem::create_symlink("blob", directory / "link");
  EXPECT_EQ(read_file(directory / "link", 3, ErrorCode::bad_model), std::string("a\0b", 3));
  directory.write("empty", "");
  EXPECT_EQ(read_file(directory / "empty", 0, ErrorCode::bad_model), "");
}

TEST(ReadFile, RefusesEverythingElseWithoutBlocking) {
  const TempDirectory directory;
  directory.make_fifo("fifo");
  std::filesystem::create_symlink("loop", directory / "loop");
  directory.write("file", "12345");
  const auto read = [&](const std::filesystem::path& path, ErrorCode code) {
    return [path, code] { read_file(path, 4, code); };
  };
  expect_error(ErrorCode::bad_model, "got a special file",
               read(directory / "fifo", ErrorCode::bad_model));
  expect_error(ErrorCode::bad_image, "got a directory",
               read(directory.path(), ErrorCode::bad_image));
  expect_error(ErrorCode::bad_model, "got a special file", read("/dev/zero", ErrorCode::bad_model));
  expect_error(ErrorCode::bad_model, "cannot be opened",
               read(directory / "loop", ErrorCode::bad_model));
  expect_error(ErrorCode::bad_model, "5 bytes, expected at most 4",
               read(directory / "file", ErrorCode::bad_model));
  expect_error(ErrorCode::not_found, "No such file",
               read(directory / "absent", ErrorCode::bad_model));
  expect_error(ErrorCode::not_found, "Not a directory",
               read(directory / "file/config.json", ErrorCode::bad_model));
}

TEST(ReadFile, EscapesTheNameInMessages) {
  const std::string message = expect_error(ErrorCode::not_found, "\\x1b[2J", [] {
    read_file("/nowhere/\x1b[2J", 4, ErrorCode::bad_model);
  });
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST(MappedFile, MapsAndCopiesTheSameBytes) {
  const TempDirectory directory;
  const std::string content(10000, 'x');
  directory.write("file", content);
  for (const auto access : {MappedFile::Access::map, MappedFile::Access::copy}) {
    const MappedFile file(directory / "file", access, ErrorCode::bad_model);
    EXPECT_EQ(text_of(file.bytes()), content);
    file.release_pages(file.bytes());
    EXPECT_EQ(text_of(file.bytes()), content);  // read again, or never dropped
  }
  directory.write("empty", "");
  EXPECT_TRUE(MappedFile(directory / "empty", MappedFile::Access::map, ErrorCode::bad_model)
                  .bytes()
                  .empty());
}

TEST(MappedFile, ACopyDoesNotFollowTheFile) {
  const TempDirectory directory;
  directory.write("file", "before");
  const MappedFile file(directory / "file", MappedFile::Access::copy, ErrorCode::bad_model);
  directory.write("file", "after!");
  EXPECT_EQ(text_of(file.bytes()), "before");
}

TEST(MappedFile, MovesOwnership) {
  const TempDirectory directory;
  directory.write("file", "content");
  MappedFile first(directory / "file", MappedFile::Access::map, ErrorCode::bad_model);
  const MappedFile second = std::move(first);
  EXPECT_EQ(text_of(second.bytes()), "content");
  EXPECT_TRUE(first.bytes().empty());  // NOLINT(bugprone-use-after-move): the promise under test
}

TEST(WriteFileAtomically, ReplacesTheFileAndLeavesNothingBeside) {
  const TempDirectory directory;
  directory.write("out", "old");
  write_file_atomically(directory / "out", [](const ByteSink& sink) {
    sink(bytes_of("new "));
    sink({});
    sink(bytes_of("content"));
  });
  EXPECT_EQ(content_of(directory / "out"), "new content");
  EXPECT_EQ(files_in(directory), 1u);
}

TEST(WriteFileAtomically, KeepsTheOldFileWhenTheWriterThrows) {
  const TempDirectory directory;
  directory.write("out", "old");
  const auto write = [&] {
    write_file_atomically(directory / "out", [](const ByteSink& sink) {
      sink(bytes_of("half"));
      throw Error(ErrorCode::cancelled, "enough");
    });
  };
  expect_error(ErrorCode::cancelled, "enough", write);
  EXPECT_EQ(content_of(directory / "out"), "old");
  EXPECT_EQ(files_in(directory), 1u);
}

TEST(WriteFileAtomically, KeepsTheOldFileWhenTheDiskIsFull) {
  const TempDirectory directory;
  directory.write("out", "old");
  // A limit on the size of files stands in for a full disk: write() fails after a short write.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string content(5000, 'x');
  expect_error(ErrorCode::io, "cannot be written", [&] {
    write_file_atomically(directory / "out",
                          [&](const ByteSink& sink) { sink(bytes_of(content)); });
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(content_of(directory / "out"), "old");
  EXPECT_EQ(files_in(directory), 1u);
}

TEST(WriteFileAtomically, ReplacesTheFileBehindALinkAndKeepsTheLink) {
  const TempDirectory directory;
  directory.write("target", "old");
  std::filesystem::create_symlink("target", directory / "link");
  write_file_atomically(directory / "link", [](const ByteSink& sink) { sink(bytes_of("new")); });
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_EQ(content_of(directory / "target"), "new");
  EXPECT_EQ(files_in(directory), 2u);
}

TEST(WriteFileAtomically, LeavesDevicesAndPipesAlone) {
  const TempDirectory directory;
  directory.make_fifo("fifo");
  std::filesystem::create_symlink("fifo", directory / "link");
  for (const char* name : {"fifo", "link"}) {
    expect_error(ErrorCode::io, "expected a regular file or a new name",
                 [&] { write_file_atomically(directory / name, [](const ByteSink&) {}); });
  }
  EXPECT_TRUE(std::filesystem::is_fifo(directory / "fifo"));
  EXPECT_EQ(files_in(directory), 2u);
}

TEST(WriteFileAtomically, FailsWhereItCannotWrite) {
  const TempDirectory directory;
  const auto to = [](const std::filesystem::path& path) {
    return [path] { write_file_atomically(path, [](const ByteSink&) {}); };
  };
  expect_error(ErrorCode::io, "cannot be written", to(directory / "absent/out"));
  std::filesystem::create_directory(directory / "taken");
  expect_error(ErrorCode::io, "cannot be written", to(directory / "taken"));
  EXPECT_EQ(files_in(directory), 1u);
}

}  // namespace
}  // namespace instructblip
