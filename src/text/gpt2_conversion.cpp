#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/slow_conversion.h"
#include "text/tokenizer_json.h"

namespace instructblip {
namespace {

// What Python's str.split() leaves of a line.
std::vector<std::string> words_of(std::string_view line) {
  constexpr std::string_view kSpaces = " \t\v\f";
  std::vector<std::string> words;
  for (std::size_t begin = line.find_first_not_of(kSpaces); begin < line.size();) {
    const std::size_t end = std::min(line.find_first_of(kSpaces, begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kSpaces, end);
  }
  return words;
}

// One merge a line, in the order of their ranks. The first line is a headline whatever it says, and
// what stands behind the last line break is not read.
std::vector<Merge> read_merges_file(const std::filesystem::path& file) {
  const std::string text = read_file(file, limits::kTokenizerBytes, ErrorCode::bad_model);
  const std::string name = printable(file.string());
  refuse_foreign(recognise_foreign_or_weights(text), file.string(), "a list of merges");
  if (const auto offset = utf8::find_invalid(text)) {
    throw Error(ErrorCode::bad_model,
                name + ": expected UTF-8, got another byte at " + std::to_string(*offset));
  }
  std::vector<Merge> merges;
  std::set<Merge> seen;  // a merge that comes again keeps its rank
  std::size_t line = 0;
  for (std::size_t begin = 0;; ++line) {
    const std::size_t end = text.find_first_of("\r\n", begin);
    if (end == std::string::npos) break;
    const std::vector<std::string> words =
        words_of(std::string_view(text).substr(begin, end - begin));
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
    if (line == 0) continue;
    if (words.size() != 2) {
      throw Error(ErrorCode::bad_model, name + " line " + std::to_string(line + 1) +
                                            ": expected two tokens, got " +
                                            std::to_string(words.size()));
    }
    Merge merge{words[0], words[1]};
    if (seen.insert(merge).second) merges.push_back(std::move(merge));
  }
  return merges;
}

// A token that the vocabulary lacks gets the next id, counted as the slow class does.
std::int32_t slow_bos(const TokenizerSettings& settings, const TokenModel& model,
                      const std::string& name) {
  const TokenSpec* bos = settings.find_named("bos_token");
  if (bos == nullptr) {
    throw Error(ErrorCode::bad_model,
                name + ": expected a bos_token, which add_bos_token says to add, got none");
  }
  std::set<std::string_view> listed;
  for (const auto& [id, token] : settings.added_tokens) {
    if (!model.vocabulary().find(token.content)) listed.insert(token.content);
  }
  return slow_id(settings, model, bos->content,
                 model.vocabulary().count() + static_cast<std::int32_t>(listed.size()));
}

}  // namespace

TokenizerParts convert_gpt2(const std::filesystem::path& file, TokenizerSettings& settings) {
  const std::filesystem::path merges = file.parent_path() / "merges.txt";
  const Json vocabulary = Json::read(file, {.bytes = limits::kTokenizerBytes});
  if (!vocabulary.is_object()) vocabulary.fail("an object of tokens and their ids");
  TokenizerParts parts;
  parts.model = bpe_model(read_vocabulary(vocabulary), read_merges_file(merges), {},
                          printable(merges.string()));
  parts.pre_tokenizer = byte_level_pre_tokenizer({.add_prefix_space = settings.add_prefix_space});
  parts.decoder = {byte_level_step()};
  if (settings.add_bos) {
    const std::string config = printable((file.parent_path() / "tokenizer_config.json").string());
    parts.post_processor = wrap({slow_bos(settings, *parts.model, config)}, {});
  }
  name_as_special(settings, {"bos_token", "eos_token", "unk_token", "pad_token"},
                  /*normalized=*/true);
  return parts;
}

}  // namespace instructblip
