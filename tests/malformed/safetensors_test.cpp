// Rows of the safetensors reader.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>

#include "checkpoint/tensor_store.h"
#include "malformed/malformed.h"
#include "support/safetensors_builder.h"

namespace instructblip {
namespace {

using test::MalformedRow;
using test::repeated;
using test::safetensors_file;
using test::safetensors_of;
using test::TempDirectory;

using Make = std::function<void(const TempDirectory&)>;

Make content(std::string bytes) {
  return
      [bytes = std::move(bytes)](const TempDirectory& d) { d.write("model.safetensors", bytes); };
}

// A file with this header and `data` zero bytes behind it.
Make header(const std::string& json, std::size_t data = 0) {
  return content(safetensors_file(json, std::string(data, '\0')));
}

// A file with one tensor of 4 bytes whose entry is `entry`.
Make entry(const std::string& entry, std::size_t data = 4) {
  return header("{\"x\":" + entry + "}", data);
}

// The length field alone, then `rest`.
Make length(std::uint64_t value, const std::string& rest = "{}") {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  return content(bytes + rest);
}

std::string two(const char* first, const char* second) {
  return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + first +
         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
}

constexpr ErrorCode kBad = ErrorCode::bad_model;

const MalformedRow kFileRows[] = {
    {"Fifo", kBad, "got a special file",
     [](const TempDirectory& d) { d.make_fifo("model.safetensors"); }},
    {"Directory", kBad, "got a directory",
     [](const TempDirectory& d) { std::filesystem::create_directory(d / "model.safetensors"); }},
    {"DanglingLink", ErrorCode::not_found, "No such file: a link to 'gone'",
     [](const TempDirectory& d) {
       std::filesystem::create_symlink("gone", d / "model.safetensors");
     }},
    {"LinkLoop", kBad, "cannot be opened",
     [](const TempDirectory& d) {
       std::filesystem::create_symlink("model.safetensors", d / "model.safetensors");
     }},
    {"Device", kBad, "got a special file",
     [](const TempDirectory& d) {
       std::filesystem::create_symlink("/dev/zero", d / "model.safetensors");
     }},
    {"Empty", kBad, "an empty file, expected weights", content("")},
    {"SevenBytes", kBad, "7 bytes, expected at least the 8", content(std::string(7, '\0'))},
    {"GitLfsPointer", kBad, "git lfs pull",
     content("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")},
    {"ZipArchive", kBad, "a zip archive, expected safetensors",
     content("PK\x03\x04 and so on and so on")},
    {"TorchFile", kBad, "a file of torch.save(), expected safetensors as its name says",
     content("PK\x03\x04 archive/data.pkl and so on")},
    {"LegacyTorchFile", kBad, "rename it to end in .bin",
     content("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")},
    {"Gguf", kBad, "model.safetensors: a GGUF file, expected safetensors",
     content(std::string("GGUF\x03\0\0\0", 8) + std::string(64, '\0'))},
    {"Html", kBad, "a web page, expected safetensors", content("<!DOCTYPE html><html></html>")},
    {"Gzip", kBad, "a gzip archive, expected safetensors", content("\x1F\x8B\x08 and so on")},
    {"Tar", kBad, "a tar archive", content(std::string(257, 'x') + "ustar" + "  and so on")},
    {"ServerText", kBad, "a server's message, 'Entry not found'", content("Entry not found")},
    {"ServerJson", kBad, "a server's message", content(R"({"error":"Repository not found"})")},
    {"OtherJson", kBad, "a JSON document, expected safetensors", content(R"({"a":{"b":1}})")},
    {"Zeros", kBad, "begins with nothing but zeros", content(std::string(4096, '\0'))},
};

const MalformedRow kHeaderRows[] = {
    {"LengthZero", kBad, "does not begin with '{'", length(0, "")},
    {"LengthBeyondFile", kBad, "but only 2 bytes follow", length(3)},
    {"LengthOverLimit", kBad, "header of 100000001 bytes, expected at most 100000000",
     [](const TempDirectory& d) {
       length(100'000'001)(d);
       std::filesystem::resize_file(d / "model.safetensors", 200'000'000);  // sparse
     }},
    {"LengthHuge", kBad, "header of 18446744073709551615 bytes",
     length(std::numeric_limits<std::uint64_t>::max())},
    {"LengthSignBit", kBad, "header of 9223372036854775808 bytes", length(1ULL << 63)},
    {"NotAnObject", kBad, "does not begin with '{'", header("[]")},
    {"LeadingSpace", kBad, "does not begin with '{'", header(" {}")},
    {"ByteOrderMark", kBad, "does not begin with '{'", header("\xEF\xBB\xBF{}")},
    {"NotUtf8", kBad, "not valid UTF-8 at byte 2", header("{\"\xFF\":1}")},
    {"OverlongUtf8", kBad, "not valid UTF-8 at byte 2", header("{\"\xC0\xAF\":1}")},
    {"NulPadding", kBad, "NUL at byte 2", header(std::string("{}\0\0", 4))},
    {"TextAfterObject", kBad, "syntax error", header("{} x")},
    {"Comment", kBad, "syntax error", header("{/**/}")},
    {"TrailingComma", kBad, "syntax error",
     header(R"({"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},})", 1)},
    {"CutObject", kBad, "syntax error", header("{\"x\":")},
    {"DuplicateTensor", kBad, "duplicate key 'x'",
     header(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                "x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
            2)},
    {"DuplicateKeyInEntry", kBad, "duplicate key 'shape'",
     entry(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})")},
    {"DuplicateEscapedKey", kBad, "duplicate key 'x'",
     header(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                "\u0078":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
            1)},
    {"DeepNesting", kBad, "nested deeper than 64 levels",
     header("{\"x\":" + repeated("[", 100'000) + repeated("]", 100'000) + "}")},
    {"DeepUnclosed", kBad, "nested deeper than 64 levels", header(repeated("{\"a\":", 100'000))},
    {"MetadataNotAnObject", kBad, "__metadata__: expected an object",
     header(R"({"__metadata__":[]})")},
    {"MetadataNumber", kBad, "__metadata__.format: expected a string, got 1",
     header(R"({"__metadata__":{"format":1}})")},
    {"MetadataNull", kBad, "__metadata__: expected an object, got null",
     header(R"({"__metadata__":null})")},
    {"ControlBytesInName", kBad, "\\x1b[2J",
     header(R"({"\u001b[2J":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", 1)},
    {"LongName", kBad, "...",
     header(
         "{\"" + std::string(5000, 'n') + R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})",
         1)},
};

const MalformedRow kEntryRows[] = {
    {"EntryNumber", kBad, "x: expected an object, got 7", entry("7")},
    {"EntryNull", kBad, "x: expected an object, got null", entry("null")},
    {"NoDtype", kBad, "x.dtype: expected a value, but the key is missing",
     entry(R"({"shape":[1],"data_offsets":[0,4]})")},
    {"NoShape", kBad, "x.shape: expected a value",
     entry(R"({"dtype":"F32","data_offsets":[0,4]})")},
    {"NoOffsets", kBad, "x.data_offsets: expected a value",
     entry(R"({"dtype":"F32","shape":[1]})")},
    {"DtypeUnknown", ErrorCode::unsupported, "dtype 'F4' is unknown",
     entry(R"({"dtype":"F4","shape":[1],"data_offsets":[0,4]})")},
    {"DtypeLowerCase", ErrorCode::unsupported, "dtype 'f32' is unknown",
     entry(R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})")},
    {"DtypeNumber", kBad, "x.dtype: expected a string, got 3",
     entry(R"({"dtype":3,"shape":[1],"data_offsets":[0,4]})")},
    {"ShapeString", kBad, "x.shape: expected an array, got '1'",
     entry(R"({"dtype":"F32","shape":"1","data_offsets":[0,4]})")},
    {"ShapeNegative", kBad, "x.shape[0]: expected an integer",
     entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})")},
    {"ShapeTwoNegatives", kBad, "x.shape[0]: expected an integer",
     entry(R"({"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]})")},
    {"ShapeFraction", kBad, "got 1.0",
     entry(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})")},
    {"ShapeExponent", kBad, "x.shape[0]: expected an integer",
     entry(R"({"dtype":"F32","shape":[1e0],"data_offsets":[0,4]})")},
    {"ShapeBoolean", kBad, "got true",
     entry(R"({"dtype":"F32","shape":[true],"data_offsets":[0,4]})")},
    {"ShapeBeyond63Bits", kBad, "got 9223372036854775808",
     entry(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]})")},
    {"ProductWrapsToZero", kBad, "overflows 63 bits",
     entry(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0)},
    {"ProductOverflowsBeforeZero", kBad, "overflows 63 bits",
     entry(R"({"dtype":"U8","shape":[4611686018427387904,4,0],"data_offsets":[0,0]})", 0)},
    {"BytesOverflow", kBad, "overflows 63 bits",
     entry(R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})", 0)},
    {"OffsetsOne", kBad, "1 data_offsets, expected 2",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4]})")},
    {"OffsetsThree", kBad, "3 data_offsets, expected 2",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})")},
    {"OffsetsReversed", kBad, "[4, 0] end before they begin",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})")},
    {"OffsetsNegative", kBad, "x.data_offsets[0]: expected an integer",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})")},
    {"OffsetsFraction", kBad, "x.data_offsets[1]: expected an integer",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4.0]})")},
    {"OffsetsAgainstShape", kBad,
     "data_offsets [0, 4] hold 4 bytes, expected 9216 (shape [48, 48] x F32)",
     entry(R"({"dtype":"F32","shape":[48,48],"data_offsets":[0,4]})")},
    {"ScalarWithoutBytes", kBad, "hold 0 bytes, expected 4 (shape [] x F32)",
     entry(R"({"dtype":"F32","shape":[],"data_offsets":[0,0]})", 0)},
};

const MalformedRow kTilingRows[] = {
    {"BeyondTheFile", kBad, "lie beyond the 3 bytes of data",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 3)},
    {"FarBeyondTheFile", kBad, "the file is cut short",
     entry(R"({"dtype":"U8","shape":[9223372036854775807],
               "data_offsets":[0,9223372036854775807]})",
           4)},
    {"GapAtTheStart", kBad, "a gap of 4 bytes before tensor 'x'",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8)},
    {"GapBetween", kBad, "a gap of 1 bytes before tensor 'b'", header(two("[0,4]", "[5,9]"), 9)},
    {"Overlap", kBad, "tensor 'b': overlaps tensor 'a'", header(two("[0,4]", "[3,7]"), 7)},
    {"SameBytesTwice", kBad, "overlaps tensor", header(two("[0,4]", "[0,4]"), 4)},
    {"EmptyTensorInsideAnother", kBad, "tensor 'e': overlaps tensor 'a'",
     header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                "e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
            4)},
    {"TrailingBytes", kBad, "1 bytes follow the last tensor",
     entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 5)},
    {"BytesWithoutTensors", kBad, "9 bytes follow the last tensor", header("{}", 9)},
    {"AppendedArchive", kBad, "bytes follow the last tensor",
     content(safetensors_of({{"x", {2}}}) + "PK\x05\x06")},
};

class MalformedSafetensors : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedSafetensors, CostsOneClearError) {
  for (const auto access : {MappedFile::Access::map, MappedFile::Access::copy}) {
    test::expect_malformed(GetParam(), [access](const std::filesystem::path& directory) {
      TensorStore::open(directory, access);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(File, MalformedSafetensors, testing::ValuesIn(kFileRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Header, MalformedSafetensors, testing::ValuesIn(kHeaderRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Entry, MalformedSafetensors, testing::ValuesIn(kEntryRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Tiling, MalformedSafetensors, testing::ValuesIn(kTilingRows),
                         test::name_of_row);

// A download that broke off, at every length.
TEST(MalformedSafetensorsCut, IsRefusedAtEveryLength) {
  const std::string whole = safetensors_of({{"a", {3, 2}}, {"b", {1}, DType::f16}});
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    SCOPED_TRACE(kept);
    test::expect_malformed({"Cut", kBad, "model.safetensors: ", content(whole.substr(0, kept))},
                           [](const std::filesystem::path& d) { TensorStore::open(d); });
  }
  const TempDirectory directory;
  directory.write("model.safetensors", whole);
  EXPECT_EQ(TensorStore::open(directory.path()).entries().size(), 2u);
}

// One byte of the header changed: an error, or a table that still tiles the file.
TEST(MalformedSafetensorsFlip, NeverLeavesTheFile) {
  const std::string whole = safetensors_of({{"a", {3, 2}}, {"b", {1}, DType::f16}});
  const std::size_t data = 6 * 4 + 2;
  const TempDirectory directory;
  for (std::size_t at = 0; at + data < whole.size(); ++at) {
    for (const char flip : {'\x01', '\x10', '\x80'}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      directory.write("model.safetensors", changed);
      try {
        EXPECT_LE(TensorStore::open(directory.path()).bytes(), static_cast<std::int64_t>(data));
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == kBad || error.code() == ErrorCode::unsupported) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace instructblip
