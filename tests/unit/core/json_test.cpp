#include "core/json.h"

#include <gtest/gtest.h>

#include <clocale>
#include <string>

#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::expect_error;

Json parse(const std::string& text) { return Json::parse(text, "config.json"); }

void expect_bad(const std::string& text, const std::string& message) {
  SCOPED_TRACE(text);
  expect_error(ErrorCode::bad_model, message, [&] { parse(text); });
}

TEST(Json, RejectsWhatStrictJsonForbids) {
  expect_bad("", "not valid JSON at byte");
  expect_bad("{\"a\": 1,}", "syntax error");
  expect_bad("[1, 2,]", "syntax error");
  expect_bad("{\"a\": 1} // comment", "syntax error");
  expect_bad("/* c */ {}", "syntax error");
  expect_bad("{\"a\": NaN}", "syntax error");
  expect_bad("[Infinity]", "syntax error");
  expect_bad("[01]", "syntax error");
  expect_bad("['a']", "syntax error");
  expect_bad("[1] [2]", "syntax error");
  expect_bad("[1e999]", "number overflow");
  expect_bad("[\"\\ud800\"]", "syntax error");
  expect_bad("[\"\xC3\x28\"]", "not valid UTF-8 at byte 2");
  expect_bad("\xEF\xBB\xBF{}", "byte order mark");
  expect_bad("\xEF\xBB\xBF{}", "save it as UTF-8 without a byte order mark");
  expect_bad(std::string("\xFF\xFE{\0}\0", 6), "UTF-16, expected UTF-8");
  expect_bad(std::string("{\0}\0", 4), "UTF-16, expected UTF-8");
  expect_bad(std::string("\0{\0}", 4), "UTF-16, expected UTF-8");
  expect_bad("", "the file is cut short or empty");
  expect_bad("{\"a\": [1, 2", "the file is cut short or empty");
  expect_bad("{\"a\": \"b", "the file is cut short or empty");
  expect_bad(std::string("{}\0 anything", 12), "NUL at byte 2");
}

TEST(Json, SaysThatAFileIsCutOnlyWhereItIs) {
  const auto fault = [](const std::string& text) -> std::string {
    try {
      parse(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const char* text : {"{}x", "{\"a\": 1,}", "[1, 2}", "1e999", "[1]]", "\"a\"b"}) {
    EXPECT_NE(fault(text).find("not valid JSON"), std::string::npos) << text;
    EXPECT_EQ(fault(text).find("cut short"), std::string::npos) << text;
  }
  for (const char* text : {"", "{", "{\"a\"", "{\"a\": 1,", "[1, 2", "\"a", "tru"}) {
    EXPECT_NE(fault(text).find("cut short"), std::string::npos) << text << ": " << fault(text);
  }
}

TEST(Json, RejectsDuplicateKeysAtEveryLevel) {
  expect_bad(R"({"a": 1, "b": 2, "a": 3})", "duplicate key 'a'");
  expect_bad(R"({"x": [{"k": 1, "k": 1}]})", "duplicate key 'k'");
  expect_bad(R"({"a": 1, "\u0061": 3})", "duplicate key 'a'");
  EXPECT_EQ(parse(R"({"a": {"a": 1}, "b": {"a": 2}})").at("b").at("a").integer(), 2);
}

TEST(Json, BoundsDepthAndBytes) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_TRUE(parse(nested(limits::kJsonDepth)).is_array());
  expect_bad(nested(limits::kJsonDepth + 1), "nested deeper than 64 levels");
  expect_bad(std::string(200000, '['), "nested deeper than 64 levels");
  JsonLimits small;
  small.bytes = 4;
  small.code = ErrorCode::invalid_argument;
  expect_error(ErrorCode::invalid_argument, "5 bytes, expected at most 4",
               [&] { Json::parse("[1,2]", "request", small); });
}

TEST(Json, TakesNumbersFromNumbersOnly) {
  const Json json = parse(R"({"s": "3", "b": true, "f": 2.0, "i": 7, "big": 18446744073709551615,
                              "huge": 99999999999999999999, "n": null, "minus": -1})");
  expect_error(ErrorCode::bad_model, "config.json: s: expected an integer, got '3'",
               [&] { json.at("s").integer(); });
  expect_error(ErrorCode::bad_model, "got true", [&] { json.at("b").integer(); });
  expect_error(ErrorCode::bad_model, "got true", [&] { json.at("b").number(); });
  expect_error(ErrorCode::bad_model, "got 2.0", [&] { json.at("f").integer(); });
  expect_error(ErrorCode::bad_model, "got 18446744073709551615", [&] { json.at("big").integer(); });
  expect_error(ErrorCode::bad_model, "expected an integer", [&] { json.at("huge").integer(); });
  expect_error(ErrorCode::bad_model, "minus: expected an integer in [0, 5], got -1",
               [&] { json.at("minus").integer(0, 5); });
  expect_error(ErrorCode::bad_model, "expected true or false, got 7",
               [&] { json.at("i").boolean(); });
  expect_error(ErrorCode::bad_model, "expected a string, got 7", [&] { json.at("i").string(); });
  EXPECT_EQ(json.at("i").integer(7, 7), 7);
  EXPECT_EQ(json.at("f").number(), 2.0);
}

TEST(Json, TreatsNullMembersAsAbsentButSeesThem) {
  const Json json = parse(R"({"n": null, "z": 0})");
  EXPECT_FALSE(json.find("n"));
  EXPECT_TRUE(json.contains("n"));
  EXPECT_EQ(json.integer_or("n", 5), 5);
  EXPECT_EQ(json.integer_or("z", 5), 0);
  EXPECT_EQ(json.string_or("none", "x"), "x");
  expect_error(ErrorCode::bad_model, "config.json: n: expected a value, but the key is missing",
               [&] { json.at("n"); });
}

TEST(Json, NamesThePathToTheFault) {
  const Json json = parse(R"({"vision_config": {"sizes": [1, "x"]}})");
  expect_error(ErrorCode::bad_model,
               "config.json: vision_config.sizes[1]: expected an integer, got 'x'",
               [&] { json.at("vision_config").at("sizes").integers(); });
  expect_error(ErrorCode::bad_model, "config.json: expected an array, got an object",
               [&] { json.elements(); });
  expect_error(ErrorCode::bad_model, "vision_config: expected an array, got an object",
               [&] { json.at("vision_config").numbers(); });
  expect_error(ErrorCode::bad_model, "more than 2 elements",
               [&] { json.at("vision_config").at("sizes")[2]; });
  EXPECT_EQ(json.where(), "config.json");
  EXPECT_EQ(json.where("absent"), "config.json: absent");
  EXPECT_EQ(json.at("vision_config").where("absent"), "config.json: vision_config.absent");
  EXPECT_EQ(json.at("vision_config").where(), "config.json: vision_config");
}

TEST(Json, WalksMembersInFileOrder) {
  const Json json = parse(R"({"z": 1, "a": null, "m": [2]})");
  EXPECT_EQ(json.keys(), (std::vector<std::string>{"z", "a", "m"}));
  const auto members = json.members();
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].second.integer(), 1);
  EXPECT_TRUE(members[1].second.is_null());
  EXPECT_EQ(members[2].second.where(), "config.json: m");
  EXPECT_EQ(json.dump(), R"({"z":1,"a":null,"m":[2]})");
}

TEST(Json, OutlivesTheHandleItCameFrom) {
  const Json inner = [] { return parse(R"({"a": {"b": "kept"}})").at("a").at("b"); }();
  EXPECT_EQ(inner.string(), "kept");
}

TEST(Json, ReadsFractionsWhateverTheLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  if (std::setlocale(LC_NUMERIC, "de_DE.UTF-8") == nullptr &&
      std::setlocale(LC_NUMERIC, "fr_FR.UTF-8") == nullptr) {
    GTEST_SKIP() << "no locale with a decimal comma is installed";
  }
  const double value = parse("[1.5]")[0].number();
  std::setlocale(LC_NUMERIC, before.c_str());
  EXPECT_EQ(value, 1.5);
}

TEST(Json, ReadNamesMissingAndSpecialFiles) {
  const test::TempDirectory directory;
  expect_error(ErrorCode::not_found, "No such file",
               [&] { Json::read(directory / "absent.json"); });
  expect_error(ErrorCode::bad_model, "expected a regular file, got a directory",
               [&] { Json::read(directory.path()); });
  directory.write("c.json", "{\"a\": 2}");
  EXPECT_EQ(Json::read(directory / "c.json").at("a").integer(), 2);
}

TEST(Json, LiteralEscapesWhatJsonMustNotHold) {
  EXPECT_EQ(json_literal("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(json_literal("caf\xC3\xA9"), "\"caf\xC3\xA9\"");
  EXPECT_EQ(json_literal("\xFF"), "\"\xEF\xBF\xBD\"");
}

TEST(Json, EditsMembersAndLeavesTheOthers) {
  const Json json = Json::parse(R"({"b": [1, 2.5], "a": {"x": null, "y": "caf\u00e9"}})", "t.json");
  EXPECT_EQ(Json::parse(json.with({{{"a"}, ""}, {{"absent"}, ""}}), "t.json").keys(),
            (std::vector<std::string>{"b"}));
  EXPECT_EQ(json.with({}),
            "{\n  \"b\": [\n    1,\n    2.5\n  ],\n  \"a\": {\n    \"x\": null,\n    "
            "\"y\": \"caf\xC3\xA9\"\n  }\n}\n");
  const Json edited = Json::parse(
      json.with({{{"a", "x"}, "7"}, {{"c"}, "\"new\""}, {{"d", "e"}, "[true]"}}), "t.json");
  EXPECT_EQ(edited.at("a").at("x").integer(), 7);
  EXPECT_EQ(edited.at("a").at("y").string(), "caf\xC3\xA9");
  EXPECT_EQ(edited.at("c").string(), "new");
  EXPECT_TRUE(edited.at("d").at("e")[0].boolean());
  EXPECT_EQ(edited.at("b").size(), 2u);
}

}  // namespace
}  // namespace instructblip
