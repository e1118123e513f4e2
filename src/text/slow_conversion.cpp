#include "text/slow_conversion.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/sentencepiece_file.h"

namespace instructblip {
namespace {

using File = SentencePieceFile;

struct ScoredMerge {
  Merge pair;
  double score;
  std::size_t left_length, right_length;  // in characters
};

// Every way to make a piece of two others, the most probable piece first: the order in which BPE
// was trained, as far as scores tell it.
std::vector<Merge> generate_merges(const std::vector<ScoredPiece>& pieces,
                                   const Vocabulary& vocabulary) {
  std::vector<ScoredMerge> merges;
  StringMap<double> scores;
  for (const ScoredPiece& piece : pieces) scores.insert_or_assign(piece.piece, piece.score);
  for (const ScoredPiece& entry : pieces) {
    const auto score = scores.find(entry.piece);
    if (score == scores.end()) continue;  // seen before
    const std::u32string codes = utf8::to_utf32(entry.piece);
    std::vector<std::tuple<std::int32_t, std::int32_t, ScoredMerge>> local;
    for (std::size_t cut = 1; cut < codes.size(); ++cut) {
      Merge pair{utf8::from_utf32(std::u32string_view(codes).substr(0, cut)),
                 utf8::from_utf32(std::u32string_view(codes).substr(cut))};
      const auto left = vocabulary.find(pair.first), right = vocabulary.find(pair.second);
      if (!left || !right) continue;
      local.emplace_back(*left, *right,
                         ScoredMerge{std::move(pair), score->second, cut, codes.size() - cut});
    }
    scores.erase(score);
    std::ranges::stable_sort(local, {}, [](const auto& entry_of) {
      return std::pair(std::get<0>(entry_of), std::get<1>(entry_of));
    });
    for (auto& merge : local) merges.push_back(std::move(std::get<2>(merge)));
  }
  std::ranges::stable_sort(merges, std::ranges::greater(), [](const ScoredMerge& merge) {
    return std::tuple(merge.score, merge.left_length, merge.right_length);
  });
  std::vector<Merge> pairs;
  for (ScoredMerge& merge : merges) pairs.push_back(std::move(merge.pair));
  return pairs;
}

std::vector<ScoredPiece> scored_pieces(const File& file) {
  std::vector<ScoredPiece> pieces;
  for (const File::Piece& piece : file.pieces) pieces.push_back({piece.text, piece.score});
  return pieces;
}

// `pieces`: the file's, with the changes of a tokenizer class.
TokenModelPtr convert_model(const File& file, const std::vector<ScoredPiece>& pieces,
                            std::int32_t unknown, bool byte_fallback, const std::string& where) {
  if (file.algorithm == File::Algorithm::unigram) {
    return unigram_model(pieces, unknown, byte_fallback);
  }
  Vocabulary original, changed;
  for (std::size_t i = 0; i < file.pieces.size(); ++i) {
    original.set(file.pieces[i].text, static_cast<std::int32_t>(i));
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    changed.set(pieces[i].piece, static_cast<std::int32_t>(i));
  }
  BpeOptions options;
  options.unknown = file.unknown_piece;
  options.fuse_unknown = true;
  options.byte_fallback = byte_fallback;
  return bpe_model(std::move(changed), generate_merges(pieces, original), options, where);
}

// Control pieces, and the pieces that the model's maker asked for.
void add_listed_pieces(const File& file, TokenizerParts& parts) {
  std::vector<AddedToken> tokens;
  for (const File::Piece& piece : file.pieces) {
    const bool control = piece.type == File::Type::control;
    if (!control && piece.type != File::Type::user_defined) continue;
    tokens.push_back({.content = piece.text, .normalized = false, .special = control});
  }
  parts.add_tokens(tokens);
}

Vocabulary read_vocab_file(const std::filesystem::path& file) {
  const std::string text = read_file(file, limits::kTokenizerBytes, ErrorCode::bad_model);
  const std::string name = printable(file.string());
  refuse_foreign(recognise_foreign_or_weights(text), file.string(), "a list of tokens");
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::bad_model, name + ": " + message,
                "is this the vocabulary of a BERT model, one token a line?");
  };
  if (const auto offset = utf8::find_invalid(text)) {
    fail("expected UTF-8, got another byte at " + std::to_string(*offset));
  }
  Vocabulary vocabulary;
  std::int32_t line = 0;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    std::string token = text.substr(begin, end - begin);
    if (line >= limits::kSize) fail("expected at most " + std::to_string(limits::kSize) + " lines");
    check_token_length(token, name + " line " + std::to_string(line + 1));
    if (const auto other = vocabulary.find(token)) {
      fail("line " + std::to_string(line + 1) + ": expected a new token, got " + quote(token) +
           " of line " + std::to_string(*other + 1) + " again");
    }
    vocabulary.set(std::move(token), line);
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return vocabulary;
}

}  // namespace

void name_as_special(TokenizerSettings& settings, std::initializer_list<std::string_view> keys,
                     std::optional<bool> normalized) {
  for (auto& [key, token] : settings.named) {
    if (token.is_string && std::ranges::find(keys, key) != keys.end()) {
      token = TokenSpec::special_token(token.content);
      token.normalized = normalized;
    }
  }
}

std::int32_t slow_id(const TokenizerSettings& settings, const TokenModel& model,
                     const std::string& token, std::int32_t unknown) {
  for (const auto& [id, spec] : settings.added_tokens) {
    if (spec.content == token) return static_cast<std::int32_t>(id);
  }
  return model.vocabulary().find(token).value_or(unknown);
}

PrependScheme prepend_scheme_of(const TokenizerSettings& settings) {
  if (!settings.add_prefix_space) return PrependScheme::never;
  return settings.legacy ? PrependScheme::always : PrependScheme::first;
}

PostProcessor wrap(const std::vector<std::int32_t>& before,
                   const std::vector<std::int32_t>& after) {
  return {{{.is_text = false, .ids = before},
           {.is_text = true, .ids = {}},
           {.is_text = false, .ids = after}}};
}

std::vector<DecodeStepMaker> metaspace_decoder(PrependScheme scheme) {
  return {metaspace_step(kVisibleSpace, scheme)};
}

static std::string visible_space() {
  std::string space;
  utf8::append(space, kVisibleSpace);
  return space;
}

std::vector<DecodeStepMaker> llama_decoder(bool strips_first_space) {
  std::vector<DecodeStepMaker> steps = {replace_step({visible_space(), " "}), byte_fallback_step()};
  if (strips_first_space) steps.push_back(strip_text_start_step(U' ', 1));
  return steps;
}

std::vector<DecodeStepMaker> sentencepiece_decoder() {
  return {leave_out_step("<unk>"), replace_step({"<s>", ""}), replace_step({visible_space(), " "}),
          byte_fallback_step(ByteRuns::piecewise), strip_text_start_step(U' ', 1)};
}

std::vector<DecodeStepMaker> bert_decoder() { return {word_piece_step("##", /*cleanup=*/true)}; }

TokenizerParts convert_t5(const std::filesystem::path& path, TokenizerSettings& settings) {
  const File file = read_sentencepiece_file(path);
  const std::string name = printable(path.string());
  std::vector<ScoredPiece> pieces = scored_pieces(file);
  for (std::int32_t i = settings.extra_ids; i-- > 0;) {
    pieces.push_back({"<extra_id_" + std::to_string(i) + ">", 0});
  }
  TokenizerParts parts;
  parts.model = convert_model(file, pieces, file.unknown_id, /*byte_fallback=*/false, name);
  add_listed_pieces(file, parts);
  std::vector<NormalizerPtr> normalizers;
  if (!file.charsmap.empty()) {
    normalizers.push_back(precompiled_normalizer(Charsmap::parse(file.charsmap, name)));
  }
  normalizers.push_back(strip_normalizer(/*left=*/false, /*right=*/true));
  normalizers.push_back(replace_normalizer(Pattern::regex(" {2,}", name), {kVisibleSpace}));
  parts.normalizer = sequence_normalizer(std::move(normalizers));
  const PrependScheme scheme = prepend_scheme_of(settings);
  parts.pre_tokenizer = metaspace_pre_tokenizer({.prepend = scheme});
  parts.decoder = metaspace_decoder(scheme);
  parts.post_processor = wrap({}, {slow_id(settings, *parts.model, "</s>", file.unknown_id)});
  name_as_special(settings, {"pad_token", "unk_token", "eos_token"});
  return parts;
}

TokenizerParts convert_llama(const std::filesystem::path& path, TokenizerSettings& settings) {
  const File file = read_sentencepiece_file(path);
  std::vector<ScoredPiece> pieces = scored_pieces(file);
  for (std::size_t i = 0; i < std::min<std::size_t>(3, pieces.size()); ++i) {
    const auto listed = settings.added_tokens.find(static_cast<std::int64_t>(i));
    if (listed != settings.added_tokens.end()) pieces[i].piece = listed->second.content;
    pieces[i].score = 0;
  }
  TokenizerParts parts;
  parts.model =
      convert_model(file, pieces, /*unknown=*/0, /*byte_fallback=*/true, printable(path.string()));
  add_listed_pieces(file, parts);
  if (settings.legacy) {
    std::vector<NormalizerPtr> normalizers;
    if (settings.add_prefix_space) normalizers.push_back(prepend_normalizer({kVisibleSpace}));
    normalizers.push_back(replace_normalizer(Pattern::literal(U" "), {kVisibleSpace}));
    parts.normalizer = sequence_normalizer(std::move(normalizers));
  } else {
    parts.pre_tokenizer =
        metaspace_pre_tokenizer({.prepend = prepend_scheme_of(settings), .split = false});
  }
  parts.decoder = llama_decoder(settings.add_prefix_space);
  name_as_special(settings, {"bos_token", "eos_token", "unk_token", "pad_token"});
  return parts;
}

TokenizerParts convert_bert(const std::filesystem::path& file, TokenizerSettings& settings) {
  Vocabulary vocabulary = read_vocab_file(file);
  const auto is_listed = [&](const std::string& token) {
    return std::ranges::any_of(settings.added_tokens,
                               [&](const auto& entry) { return entry.second.content == token; });
  };
  Findings missing;
  for (const std::string_view key : {"unk_token", "cls_token", "sep_token", "pad_token"}) {
    const std::string token = settings.named_or(key, "");
    const bool optional = key == "pad_token" && token.empty();
    if (optional || vocabulary.find(token) || (key != "unk_token" && is_listed(token))) continue;
    missing.add(std::string(key) + " " + quote(token));
  }
  missing.throw_if_any(ErrorCode::bad_model,
                       printable(file.string()) + ": expected these tokens in the vocabulary");
  TokenizerParts parts;
  const std::string unknown = settings.named_or("unk_token", "[UNK]");
  parts.model = word_piece_model(std::move(vocabulary), {.unknown = unknown});
  parts.bert_options = settings.bert;
  if (!settings.basic_tokenize) {
    // Undone by finish_version4(), but only after added tokens were normalised in this way.
    parts.bert_options = {
        .handle_chinese_chars = false, .strip_accents = false, .lowercase = false};
  }
  parts.normalizer = bert_normalizer(*parts.bert_options);
  parts.pre_tokenizer = bert_pre_tokenizer();
  parts.decoder = bert_decoder();
  const auto id = [&](std::string_view key) {
    return slow_id(settings, *parts.model, settings.named_or(key, ""),
                   *parts.model->vocabulary().find(unknown));
  };
  parts.post_processor = wrap({id("cls_token")}, {id("sep_token")});
  return parts;
}

}  // namespace instructblip
