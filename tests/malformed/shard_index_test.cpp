// Rows of the shard index.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "checkpoint/tensor_store.h"
#include "malformed/malformed.h"
#include "support/safetensors_builder.h"

namespace instructblip {
namespace {

using test::MalformedRow;
using test::safetensors_of;
using test::TempDirectory;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr ErrorCode kBad = ErrorCode::bad_model;

// Shard one holds a and b, shard two holds c; the index is the row's.
std::function<void(const TempDirectory&)> index(const std::string& json) {
  return [json](const TempDirectory& d) {
    d.write("one.safetensors", safetensors_of({{"a", {1}}, {"b", {1}}}));
    d.write("two.safetensors", safetensors_of({{"c", {1}}}));
    d.write(kIndex, json);
  };
}

std::function<void(const TempDirectory&)> shard_named(const std::string& name) {
  return index(R"({"weight_map":{"a":)" + json_literal(name) + "}}");
}

const MalformedRow kRows[] = {
    {"Fifo", kBad, "got a special file", [](const TempDirectory& d) { d.make_fifo(kIndex); }},
    {"Empty", kBad, "not valid JSON", index("")},
    {"LfsPointer", kBad, "safetensors.index.json: a Git LFS pointer, expected JSON",
     index("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")},
    {"NotAnObject", kBad, "expected an object, got an array", index("[]")},
    {"NoMap", kBad, "weight_map: expected a value", index(R"({"metadata":{}})")},
    {"NullMap", kBad, "weight_map: expected a value", index(R"({"weight_map":null})")},
    {"MapIsAnArray", kBad, "weight_map: expected an object", index(R"({"weight_map":["a"]})")},
    {"EmptyMap", kBad, "weight_map: expected at least one tensor", index(R"({"weight_map":{}})")},
    {"ShardIsANumber", kBad, "weight_map.a: expected a string, got 1",
     index(R"({"weight_map":{"a":1}})")},
    {"DuplicateTensor", kBad, "duplicate key 'a'",
     index(R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})")},
    {"ShardAbsolute", kBad, "expected the name of a file", shard_named("/etc/passwd")},
    {"ShardAboveTheDirectory", kBad, "expected the name of a file",
     shard_named("../one.safetensors")},
    {"ShardParent", kBad, "expected the name of a file", shard_named("..")},
    {"ShardItself", kBad, "expected the name of a file", shard_named(".")},
    {"ShardEmpty", kBad, "expected the name of a file", shard_named("")},
    {"ShardBackslash", kBad, "expected the name of a file", shard_named("..\\one.safetensors")},
    {"ShardWithNul", kBad, "expected the name of a file",
     shard_named(std::string("one.safetensors\0x", 17))},
    {"ShardBelow", kBad, "expected the name of a file", shard_named("sub/one.safetensors")},
    {"ShardMissing", ErrorCode::not_found, "gone.safetensors: no such file, expected by",
     shard_named("gone.safetensors")},
    {"ShardNameTooLong", kBad, "cannot be opened", shard_named(std::string(300, 'n'))},
    {"ShardIsTheIndex", kBad, "a JSON document, expected safetensors", shard_named(kIndex)},
    {"ShardDamaged", kBad, "one.safetensors: 3 bytes",
     [](const TempDirectory& d) {
       shard_named("one.safetensors")(d);
       d.write("one.safetensors", "abc");
     }},
    {"TensorInAnotherShard", kBad, "tensor 'b' is in one.safetensors, expected in two.safetensors",
     index(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors",
               "c":"two.safetensors"}})")},
    {"TensorNowhere", kBad, "tensor 'd' is missing from two.safetensors",
     index(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors",
               "c":"two.safetensors","d":"two.safetensors"}})")},
    {"TensorNotListed", kBad, "tensor 'b' of one.safetensors is not in the index",
     index(R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})")},
    {"TensorInTwoShards", kBad, "tensor 'a' is in one.safetensors and in three.safetensors",
     [](const TempDirectory& d) {
       index(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors",
                 "c":"three.safetensors"}})")(d);
       d.write("three.safetensors", safetensors_of({{"a", {1}}, {"c", {1}}}));
     }},
    {"ManyTensorsMissing", kBad, "and 92 more",
     [](const TempDirectory& d) {
       std::string map = R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors")";
       for (int i = 0; i < 100; ++i) {
         map += ",\"t" + std::to_string(i) + "\":\"one.safetensors\"";
       }
       index(map + "}}")(d);
     }},
    {"TooLarge", kBad, "bytes, expected at most 16777216",
     [](const TempDirectory& d) {
       index("{}")(d);
       std::filesystem::resize_file(d / kIndex, 1LL << 40);  // sparse
     }},
};

class MalformedShardIndex : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedShardIndex, CostsOneClearError) {
  test::expect_malformed(GetParam(), [](const std::filesystem::path& d) { TensorStore::open(d); });
}

INSTANTIATE_TEST_SUITE_P(Index, MalformedShardIndex, testing::ValuesIn(kRows), test::name_of_row);

}  // namespace
}  // namespace instructblip
