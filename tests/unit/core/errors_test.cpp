#include "core/errors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/expect_error.h"

namespace instructblip {
namespace {

using test::expect_error;

TEST(Printable, EscapesWhatCouldDriveATerminal) {
  EXPECT_EQ(quote("plain \xC3\xA9 \xF0\x9F\x98\x80"), "'plain \xC3\xA9 \xF0\x9F\x98\x80'");
  EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(printable("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b");           // C1: a one-character escape sequence
  EXPECT_EQ(printable("\xE2\x80\xAE"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\xFF\xC3"), "\\xff\\xc3");           // not UTF-8
}

TEST(Printable, ShowsPathsWhole) {
  const std::string deep = "/home/user/.cache/huggingface/hub/" + std::string(200, 'x') + "/a.json";
  EXPECT_EQ(printable(deep), deep);
  EXPECT_EQ(printable(std::string(1 << 20, 'x')), std::string(1024, 'x') + "...");
}

TEST(Quote, CutsAfter120Characters) {
  const std::string e_acute = "\xC3\xA9";
  std::string exact;
  for (int i = 0; i < 120; ++i) exact += e_acute;
  EXPECT_EQ(quote(exact), "'" + exact + "'");
  EXPECT_EQ(quote(exact + "x"), "'" + exact + "...'");
  EXPECT_EQ(quote(std::string(1 << 20, 'x')), "'" + std::string(120, 'x') + "...'");
}

TEST(Braced, JoinsItems) {
  EXPECT_EQ(braced({}), "[]");
  EXPECT_EQ(braced({"2", "3"}), "[2, 3]");
}

TEST(Findings, ReportsEightAndCountsTheRest) {
  Findings none;
  EXPECT_NO_THROW(none.throw_if_any(ErrorCode::bad_model, "headline"));
  Findings many;
  for (int i = 1; i <= 11; ++i) many.add("finding " + std::to_string(i));
  const std::string message = expect_error(ErrorCode::bad_model, "finding 8\n  and 3 more", [&] {
    many.throw_if_any(ErrorCode::bad_model, "headline", "look");
  });
  EXPECT_EQ(message.find("finding 9"), std::string::npos);
  EXPECT_TRUE(message.ends_with("\n  hint: look"));
  EXPECT_LE(std::count(message.begin(), message.end(), '\n'), 10);
  Findings eight;
  for (int i = 0; i < 8; ++i) eight.add("f");
  const std::string whole = expect_error(ErrorCode::bad_model, "headline", [&] {
    eight.throw_if_any(ErrorCode::bad_model, "headline");
  });
  EXPECT_EQ(whole.find("more"), std::string::npos);
}

TEST(Error, CarriesCodeAndHint) {
  const Error error(ErrorCode::unsupported, "what", "next");
  EXPECT_EQ(std::string(error.what()), "what\n  hint: next");
  EXPECT_EQ(error.hint(), "next");
  EXPECT_EQ(to_string(error.code()), "unsupported");
  EXPECT_EQ(std::string(Error(ErrorCode::io, "alone").what()), "alone");
}

}  // namespace
}  // namespace instructblip
