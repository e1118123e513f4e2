#include "core/new_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempDirectory;

void fill(const NewDirectory& directory) { std::ofstream(directory.path() / "file") << "content"; }

TEST(NewDirectory, AppearsWhenItIsFinished) {
  const TempDirectory around;
  {
    NewDirectory directory(around / "new");
    fill(directory);
    EXPECT_FALSE(fs::exists(around / "new"));
    EXPECT_EQ(directory.path().parent_path(), around.path());
    directory.finish();
  }
  EXPECT_EQ(test::content_of(around / "new/file"), "content");
  EXPECT_EQ(std::distance(fs::directory_iterator(around.path()), {}), 1);
}

TEST(NewDirectory, HasTheRightsOfAnyOther) {
  const TempDirectory around;
  fs::create_directory(around / "other");
  NewDirectory directory(around / "new");
  directory.finish();
  EXPECT_EQ(fs::status(around / "new").permissions(), fs::status(around / "other").permissions());
}

TEST(NewDirectory, LeavesNothingWhereItIsNotFinished) {
  const TempDirectory around;
  { fill(NewDirectory(around / "new")); }
  EXPECT_TRUE(fs::is_empty(around.path()));
}

TEST(NewDirectory, TakesThePlaceOfAnEmptyOneOnly) {
  const TempDirectory around;
  fs::create_directory(around / "empty");
  NewDirectory(around / "empty/").finish();
  fs::create_directory(around / "full");
  around.write("full/file", "mine");
  expect_error(ErrorCode::invalid_argument, "there is something of this name already",
               [&] { NewDirectory(around / "full"); });
  expect_error(ErrorCode::invalid_argument, "there is something of this name already",
               [&] { NewDirectory(around / "full/file"); });
  EXPECT_EQ(test::content_of(around / "full/file"), "mine");
}

TEST(NewDirectory, DoesNotReplaceWhatCameMeanwhile) {
  const TempDirectory around;
  {
    NewDirectory directory(around / "new");
    fill(directory);
    fs::create_directory(around / "new");
    around.write("new/file", "mine");
    expect_error(ErrorCode::io, "cannot be written", [&] { directory.finish(); });
  }
  EXPECT_EQ(test::content_of(around / "new/file"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(around.path()), {}), 1);
}

}  // namespace
}  // namespace instructblip
