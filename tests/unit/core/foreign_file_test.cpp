#include "core/foreign_file.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using namespace std::string_literals;
using test::expect_error;
using test::TempDirectory;

const std::string kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 9976570304\n";

std::string what(const std::string& content) {
  const auto foreign = recognise_foreign(content);
  return foreign ? foreign->what : "";
}

TEST(ForeignFile, IsRecognisedByHowItBegins) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {kPointer, "a Git LFS pointer"},
      {"/annex/objects/MD5E-s1--0.safetensors\n", "a git-annex pointer"},
      {"../../blobs/4d7a2146", "a link of the Hugging Face cache, written out as a text"},
      {"GGUF\x03\0\0\0"s, "a GGUF file"},
      {"tjgg\x03\0\0\0"s, "a GGML file"},
      {"\x89HDF\r\n\x1A\n", "an HDF5 file, such as weights of TensorFlow"},
      {"\x1F\x8B\x08\0\0\0"s, "a gzip archive"},
      {"BZh91AY", "a bzip2 archive"},
      {"\xFD\x37zXZ\0\0"s, "an xz archive"},
      {"\x28\xB5\x2F\xFD\x04", "a zstd archive"},
      {"7z\xBC\xAF\x27\x1C", "a 7z archive"},
      {"Rar!\x1A\x07\x01", "a rar archive"},
      {"model/\0"s + std::string(250, '\0') + "ustar\0"s, "a tar archive"},
      {"<!DOCTYPE html><html>", "a web page"},
      {"\xEF\xBB\xBF\r\n <HTML lang=\"en\">", "a web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>",
       "an XML document, such as a server's message"},
      {"Entry not found", "a server's message, 'Entry not found'"},
      {"404: Not Found", "a server's message, '404: Not Found'"},
      {"Invalid username or password.\n", "a server's message, 'Invalid username or password.'"},
      {R"({"error":"Repository not found"})",
       R"(a server's message, '{"error":"Repository not found"}')"},
      {"{\n  \"detail\": \"Not Found\"\n}", "a server's message, '{'"},
      {std::string(5000, '\0'), "a file that begins with nothing but zeros"},
  };
  for (const auto& [content, expected] : rows) {
    EXPECT_EQ(what(content), expected);
    EXPECT_FALSE(recognise_foreign(content).value_or(ForeignFile{}).hint.empty()) << expected;
  }
}

// What belongs to checkpoints, and what could be taken for something else.
TEST(ForeignFile, IsNothingThatBelongs) {
  const std::vector<std::string> rows = {
      "",
      "{}",
      R"({"model_type": "instructblip"})",
      R"({"errors": "replace", "add_prefix_space": false})",  // tokenizer_config.json of GPT-2
      R"({"error": 0, "message": 1})",                        // a vocabulary
      "\x1F\x8B\x08\0\0\0\0\0{\"a\":"s,                       // a header of 0x088B1F bytes
      "BZh\x01\0\0\0\0{"s,                                    // another
      "404\n" + std::string(600, 'x') + "\nforbidden",        // words, one a line
      "not found\na\nb\nc\nd\ne\nf\n",
      "#version: 0.2\nh e\n",
      "[PAD]\n[UNK]\n",
      "\x0A\x0E\x0A\x05<unk>",  // SentencePiece
      std::string(15, '\0'),
  };
  for (const std::string& content : rows) EXPECT_EQ(what(content), "") << content;
}

TEST(ForeignFile, IsLookedForOnTheDisk) {
  const TempDirectory directory;
  directory.write("pointer", kPointer);
  EXPECT_EQ(recognise_foreign_file(directory / "pointer")->what, "a Git LFS pointer");
  EXPECT_FALSE(recognise_foreign_file(directory / "nothing"));
  EXPECT_FALSE(recognise_foreign_file(directory.path()));
  directory.make_fifo("fifo");
  EXPECT_FALSE(recognise_foreign_file(directory / "fifo"));  // and does not wait for a writer
}

TEST(ForeignFile, MayBeWeightsInTheWrongPlace) {
  EXPECT_EQ(recognise_foreign_or_weights("\x02\0\0\0\0\0\0\0{}"s)->what, "a safetensors file");
  EXPECT_EQ(recognise_foreign_or_weights("PK\x03\x04 and so on")->what,
            "a zip archive, such as torch.save() writes");
  EXPECT_EQ(recognise_foreign_or_weights("\x80\x02}q\0"s)->what, "a Python pickle");
  EXPECT_FALSE(recognise_foreign_or_weights("{}"));
}

// Two tokenizers have files of one name, so that the folder has to be there.
TEST(ForeignFile, IsNamedWithItsFolder) {
  const TempDirectory directory;
  directory.write("tokenizer.json", kPointer);
  const std::string message = expect_error(ErrorCode::bad_model, "git lfs pull",
                                           [&] { Json::read(directory / "tokenizer.json"); });
  EXPECT_TRUE(message.starts_with((directory / "tokenizer.json").string() +
                                  ": a Git LFS pointer, expected JSON"))
      << message;
}

}  // namespace
}  // namespace instructblip
