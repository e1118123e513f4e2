// Rows of config.json.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "config/model_config.h"
#include "malformed/malformed.h"

namespace instructblip {
namespace {

using test::MalformedRow;
using test::repeated;
using test::TempDirectory;

constexpr ErrorCode kBad = ErrorCode::bad_model;
constexpr ErrorCode kUnsupported = ErrorCode::unsupported;

std::function<void(const TempDirectory&)> file(const std::string& json) {
  return [json](const TempDirectory& d) { d.write("config.json", json); };
}

std::function<void(const TempDirectory&)> top(const std::string& keys) {
  return file(R"({"model_type":"instructblip","text_config":{"model_type":"llama"})" +
              (keys.empty() ? "" : "," + keys) + "}");
}

std::function<void(const TempDirectory&)> vision(const std::string& keys) {
  return top("\"vision_config\":{" + keys + "}");
}

std::function<void(const TempDirectory&)> qformer(const std::string& keys) {
  return top("\"qformer_config\":{" + keys + "}");
}

// Where text_config names no model, it is OPT.
std::function<void(const TempDirectory&)> opt(const std::string& keys) {
  return file(R"({"model_type":"blip-2","text_config":{)" + keys + "}}");
}

std::function<void(const TempDirectory&)> llama(const std::string& keys) {
  return file(R"({"model_type":"instructblip","text_config":{"model_type":"llama",)" + keys + "}}");
}

std::function<void(const TempDirectory&)> t5(const std::string& keys) {
  return file(R"({"model_type":"instructblip","text_config":{"model_type":"t5",
                  "decoder_start_token_id":0,)" +
              keys + "}}");
}

std::function<void(const TempDirectory&)> llava(const std::string& keys) {
  return file(R"({"model_type":"llava")" + (keys.empty() ? "" : "," + keys) + "}");
}

std::function<void(const TempDirectory&)> llava_next(const std::string& keys) {
  return file(R"({"model_type":"llava_next","image_token_index":7,)" + keys + "}");
}

// A good config.json of LLaVA beside this generation_config.json.
std::function<void(const TempDirectory&)> generation_file(const std::string& json) {
  return [json](const TempDirectory& d) {
    llava("")(d);
    d.write("generation_config.json", json);
  };
}

const MalformedRow kFileRows[] = {
    {"Missing", ErrorCode::not_found, "no config.json in this directory",
     [](const TempDirectory&) {}},
    {"Fifo", kBad, "got a special file",
     [](const TempDirectory& d) { d.make_fifo("config.json"); }},
    {"Directory", kBad, "got a directory",
     [](const TempDirectory& d) { std::filesystem::create_directory(d / "config.json"); }},
    {"Empty", kBad, "config.json: not valid JSON at byte", file("")},
    {"Array", kBad, "config.json: expected an object, got an array", file("[]")},
    {"LfsPointer", kBad, "/config.json: a Git LFS pointer, expected JSON",
     file("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")},
    {"WebPage", kBad, "/config.json: a web page, expected JSON",
     file("<!DOCTYPE html>\n<html>404</html>")},
    {"ServerError", kBad, "a server's message, '{\"error\": \"Entry not found\"}'",
     file(R"({"error": "Entry not found"})")},
    {"Weights", kBad, "a safetensors file, expected JSON",
     file(std::string("\x02\0\0\0\0\0\0\0{}", 10))},
    {"LargeGguf", kBad, "a GGUF file, expected a file of at most 16777216 bytes",
     [](const TempDirectory& d) {
       file("GGUF")(d);
       std::filesystem::resize_file(d / "config.json", 1LL << 40);  // sparse
     }},
    {"Comment", kBad, "syntax error", file("{\"model_type\":\"instructblip\" // yes\n}")},
    {"TrailingComma", kBad, "syntax error", file(R"({"model_type":"instructblip",})")},
    {"NaN", kBad, "syntax error", vision("\"layer_norm_eps\":NaN")},
    {"Infinity", kBad, "number overflow", vision("\"layer_norm_eps\":1e400")},
    {"ByteOrderMark", kBad, "byte order mark", file("\xEF\xBB\xBF{}")},
    {"Utf16", kBad, "UTF-16, expected UTF-8", file(std::string("\xFF\xFE{\0}\0", 6))},
    {"DuplicateKey", kBad, "duplicate key 'hidden_size'",
     vision("\"hidden_size\":16,\"hidden_size\":32")},
    {"Deep", kBad, "nested deeper than 64 levels", top("\"x\":" + std::string(100'000, '['))},
    {"TooLarge", kBad, "bytes, expected at most 16777216",
     [](const TempDirectory& d) {
       file("{}")(d);
       std::filesystem::resize_file(d / "config.json", 1LL << 40);  // sparse
     }},
};

const MalformedRow kKindRows[] = {
    {"NoModelType", kUnsupported, "model_type: missing, expected one of instructblip", file("{}")},
    {"ModelTypeNumber", kBad, "model_type: expected a string, got 1", file(R"({"model_type":1})")},
    {"Blip2Retrieval", kUnsupported,
     "qformer_config.use_qformer_text_input: a BLIP-2 model for retrieval",
     file(R"({"model_type":"blip-2","qformer_config":{"use_qformer_text_input":true}})")},
    {"LanguageModelAlone", kUnsupported, "this is a language model alone",
     file(R"({"model_type":"llama"})")},
    {"ModelTypeUnknown", kUnsupported, "model_type: 'x\\x1b[0m', expected one of instructblip",
     file(R"({"model_type":"x\u001b[0m"})")},
    {"OtherLanguageModel", kUnsupported,
     "text_config.model_type: language model 'gptj', expected one of llama, mistral, mt5, opt, t5",
     file(R"({"model_type":"instructblip","text_config":{"model_type":"gptj"}})")},
    {"VisionArray", kBad, "vision_config: expected an object, got an array",
     top("\"vision_config\":[]")},
    {"TextString", kBad, "text_config: expected an object, got 't5'",
     file(R"({"model_type":"instructblip","text_config":"t5"})")},
};

const MalformedRow kVisionRows[] = {
    {"HeadsZero", kBad,
     "config.json: vision_config.num_attention_heads: expected an integer in [1, 1024], got 0",
     vision("\"num_attention_heads\":0")},
    {"HeadsDoNotDivide", kBad,
     "vision_config.num_attention_heads: expected a divisor of hidden_size 1408, got 15",
     vision("\"num_attention_heads\":15")},
    {"HiddenNegative", kBad,
     "vision_config.hidden_size: expected an integer in [1, 1048576], got -1",
     vision("\"hidden_size\":-1")},
    {"HiddenHuge", kBad, "got 1000000000000", vision("\"hidden_size\":1000000000000")},
    {"HiddenBeyond64Bits", kBad, "vision_config.hidden_size: expected an integer",
     vision("\"hidden_size\":99999999999999999999")},
    {"HiddenString", kBad, "got '1408'", vision("\"hidden_size\":\"1408\"")},
    {"HiddenBoolean", kBad, "got true", vision("\"hidden_size\":true")},
    {"HiddenFraction", kBad, "got 1408.0", vision("\"hidden_size\":1408.0")},
    {"HiddenArray", kBad, "got an array", vision("\"hidden_size\":[1408]")},
    {"LayersZero", kBad, "vision_config.num_hidden_layers: expected an integer in [1, 1024]",
     vision("\"num_hidden_layers\":0")},
    {"LayersMany", kBad, "got 1025", vision("\"num_hidden_layers\":1025")},
    {"PatchLargerThanImage", kBad,
     "vision_config.patch_size: expected at most image_size 224, got 225",
     vision("\"patch_size\":225")},
    {"ImageZero", kBad, "vision_config.image_size", vision("\"image_size\":0")},
    {"EpsilonZero", kBad, "vision_config.layer_norm_eps: expected a number above 0, got 0",
     vision("\"layer_norm_eps\":0")},
    {"EpsilonNegative", kBad, "expected a number above 0", vision("\"layer_norm_eps\":-1e-6")},
    {"EpsilonString", kBad, "expected a number, got '1e-6'", vision("\"layer_norm_eps\":\"1e-6\"")},
    {"BiasNumber", kBad, "vision_config.qkv_bias: expected true or false, got 1",
     vision("\"qkv_bias\":1")},
    {"ActivationUnknown", kUnsupported,
     "vision_config.hidden_act: activation 'mish', expected one of gelu, gelu_python, gelu_new",
     vision("\"hidden_act\":\"mish\"")},
    {"ActivationNumber", kBad, "expected a string, got 1", vision("\"hidden_act\":1")},
};

const MalformedRow kQFormerRows[] = {
    {"FrequencyZero", kBad, "qformer_config.cross_attention_frequency: expected an integer in [1,",
     qformer("\"cross_attention_frequency\":0")},
    {"RelativePositions", kUnsupported,
     "qformer_config.position_embedding_type: positions of type 'relative_key'",
     qformer("\"position_embedding_type\":\"relative_key\"")},
    {"HeadsDoNotDivide", kBad, "expected a divisor of hidden_size 768, got 7",
     qformer("\"num_attention_heads\":7")},
    {"VocabularyZero", kBad, "qformer_config.vocab_size", qformer("\"vocab_size\":0")},
    {"PositionsNegative", kBad, "qformer_config.max_position_embeddings",
     qformer("\"max_position_embeddings\":-5")},
    {"QFormerPadBeyondVocabulary", kBad, "qformer_config.pad_token_id: expected an integer in",
     qformer("\"pad_token_id\":30522")},
    {"QueriesZero", kBad, "num_query_tokens: expected an integer in [1, 1048576], got 0",
     top("\"num_query_tokens\":0")},
    {"ImageTokenBeyondVocabulary", kBad, "image_token_index: expected an integer in",
     top("\"image_token_index\":32000")},
    {"ImageTokenNegative", kBad, "image_token_index: expected an integer in",
     top("\"image_token_index\":-1")},
    {"ImageTokenString", kBad, "image_token_index: expected an integer",
     top("\"image_token_index\":\"<image>\"")},
};

const MalformedRow kLlamaRows[] = {
    {"KeyValueHeads", kBad,
     "text_config.num_key_value_heads: expected a divisor of num_attention_heads 32, got 5",
     llama("\"num_key_value_heads\":5")},
    {"HeadsDoNotDivide", kBad, "text_config.num_attention_heads: expected a divisor of hidden_size",
     llama("\"num_attention_heads\":33")},
    {"HeadDimOdd", kBad, "text_config.head_dim: expected an even number", llama("\"head_dim\":7")},
    {"RopeThetaZero", kBad, "text_config.rope_theta: expected a number above 0",
     llama("\"rope_theta\":0")},
    {"RopeYarn", kUnsupported,
     "text_config.rope_scaling.rope_type: rotary positions of type 'yarn', expected one of "
     "default, "
     "linear, dynamic, llama3",
     llama("\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2.0}")},
    {"RopeLong", kUnsupported, "text_config.rope_parameters.rope_type: rotary positions of type",
     llama("\"rope_parameters\":{\"rope_type\":\"longrope\",\"rope_theta\":1.0}")},
    {"RopeSu", kUnsupported, "text_config.rope_scaling.type: rotary positions of type 'su'",
     llama("\"rope_scaling\":{\"type\":\"su\",\"short_factor\":[1.0]}")},
    {"RopeTypeMissing", kBad, "text_config.rope_scaling: expected \"rope_type\", which says",
     llama("\"rope_scaling\":{\"factor\":2.0}")},
    {"RopeFactorMissing", kBad,
     "text_config.rope_scaling.factor: expected a value, but the key is missing",
     llama("\"rope_scaling\":{\"rope_type\":\"linear\"}")},
    {"RopeFactorZero", kBad, "text_config.rope_scaling.factor: expected a number above 0",
     llama("\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":0}")},
    {"RopeLlama3Incomplete", kBad,
     "text_config.rope_scaling.original_max_position_embeddings: expected a value",
     llama("\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
           "\"high_freq_factor\":4}")},
    {"RopeDynamicOfWidthTwo", kBad, "expected another type than \"dynamic\"",
     llama("\"head_dim\":2,\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":2}")},
    {"RopePartial", kUnsupported, "text_config.rope_parameters.partial_rotary_factor",
     llama("\"rope_parameters\":{\"rope_theta\":1.0,\"partial_rotary_factor\":0.5}")},
    {"RopeParametersTheta", kBad,
     "text_config.rope_parameters.rope_theta: expected a number above 0",
     llama("\"rope_parameters\":{\"rope_theta\":-1}")},
    {"RopeNotAnObject", kBad, "text_config.rope_scaling: expected an object",
     llama("\"rope_scaling\":2")},
    {"PartialRotary", kUnsupported, "text_config.partial_rotary_factor",
     llama("\"partial_rotary_factor\":0.5")},
    {"EosListWithString", kBad, "text_config.eos_token_id[1]: expected an integer",
     llama("\"eos_token_id\":[2,\"</s>\"]")},
    {"PadBeyondVocabulary", kBad,
     "text_config.pad_token_id: expected an integer in [-32000, 31999], got 32000",
     llama("\"pad_token_id\":32000")},
    {"OptPadBeyondVocabulary", kBad, "text_config.pad_token_id: expected an integer in [-50272,",
     opt("\"pad_token_id\":50272")},
    {"PadFraction", kBad, "text_config.pad_token_id: expected an integer",
     llama("\"pad_token_id\":0.5")},
};

const MalformedRow kT5Rows[] = {
    {"ProjectionForm", kBad, "text_config.feed_forward_proj: expected '<activation>' or",
     t5("\"feed_forward_proj\":\"wide-gelu\"")},
    {"ProjectionThreeParts", kBad, "got 'gated-gelu-new'",
     t5("\"feed_forward_proj\":\"gated-gelu-new\"")},
    {"ActivationUnknown", kUnsupported, "text_config.dense_act_fn: activation 'softsign'",
     t5("\"dense_act_fn\":\"softsign\"")},
    {"GatedActivationUnknown", kUnsupported, "text_config.feed_forward_proj: activation 'mish'",
     t5("\"feed_forward_proj\":\"gated-mish\"")},
    {"BucketsFew", kBad, "relative_attention_num_buckets: expected at least 4, got 2",
     t5("\"relative_attention_num_buckets\":2")},
    {"DistanceShort", kBad, "relative_attention_max_distance: expected more than half",
     t5("\"relative_attention_max_distance\":16")},
    {"DecoderStartBeyondVocabulary", kBad,
     "text_config.decoder_start_token_id: expected an integer",
     file(R"({"model_type":"instructblip",
              "text_config":{"model_type":"t5","decoder_start_token_id":32128}})")},
    {"FirstTokenBeyondVocabulary", kBad, "text_config.decoder_start_token_id: expected the id",
     file(R"({"model_type":"instructblip",
              "text_config":{"model_type":"t5","bos_token_id":32128}})")},
    {"NoDecoderStart", kBad, "text_config.decoder_start_token_id: expected the id",
     file(R"({"model_type":"instructblip","text_config":{"model_type":"t5"}})")},
    {"WidthZero", kBad, "text_config.d_model", t5("\"d_model\":0")},
    {"AliasString", kBad, "text_config.hidden_size: expected an integer",
     t5("\"hidden_size\":\"8\"")},
    {"TieNumber", kBad, "text_config.tie_word_embeddings: expected true or false",
     t5("\"tie_word_embeddings\":0")},
};

const MalformedRow kGenerationRows[] = {
    {"BeamsZero", kBad, "text_config.num_beams: expected an integer in [1, 64], got 0",
     llama("\"num_beams\":0")},
    {"BeamsMany", kBad, "got 65", llama("\"num_beams\":65")},
    {"ReturnedOverBeams", kBad,
     "text_config.num_return_sequences: expected at most num_beams 2, got 3",
     llama("\"num_beams\":2,\"num_return_sequences\":3")},
    {"MaxNewTokensZero", kBad, "text_config.max_new_tokens: expected an integer in [1,",
     llama("\"max_new_tokens\":0")},
    {"RepetitionZero", kBad, "text_config.repetition_penalty: expected a number above 0",
     llama("\"repetition_penalty\":0")},
    {"EarlyStoppingWord", kBad, "text_config.early_stopping: expected true, false or 'never'",
     llama("\"early_stopping\":\"always\"")},
    {"BadWordsNone", kBad, "text_config.bad_words_ids: expected a list of ids at least",
     llama("\"bad_words_ids\":[]")},
    {"BadWordsEmptyRun", kBad, "bad_words_ids[1]: expected an id at least",
     llama("\"bad_words_ids\":[[5],[]]")},
    {"BadWordsOutside", kBad, "bad_words_ids[0][1]: expected an integer in [0, 31999], got 32000",
     llama("\"bad_words_ids\":[[5,32000]]")},
    {"BadWordsFlat", kBad, "bad_words_ids[0]: expected an array", llama("\"bad_words_ids\":[5]")},
    {"SuppressedText", kBad, "text_config.suppress_tokens", t5("\"suppress_tokens\":[\"3\"]")},
    {"TokenHealing", kUnsupported, "text_config.token_healing: a generation setting",
     llama("\"token_healing\":true")},
    {"MaxTimeText", kBad, "text_config.max_time: expected a number", llama("\"max_time\":\"1\"")},
    {"QuantizedCache", kUnsupported, "text_config.cache_implementation: a generation setting",
     llama("\"cache_implementation\":\"quantized\"")},
    {"ForcedEos", kBad, "text_config.forced_eos_token_id: expected an integer",
     t5("\"forced_eos_token_id\":-1")},
    {"ForcedEosNone", kBad, "text_config.forced_eos_token_id: expected an id at least",
     t5("\"forced_eos_token_id\":[]")},
    {"OptHeads", kBad, "text_config.num_attention_heads: expected a divisor of hidden_size 768",
     opt("\"num_attention_heads\":7")},
    {"OptWideEmbeddings", kUnsupported, "width 769, expected at most hidden_size 768",
     opt("\"word_embed_proj_dim\":769")},
    {"OptActivation", kUnsupported, "text_config.activation_function: activation 'tanh'",
     opt("\"activation_function\":\"tanh\"")},
};

class MalformedConfig : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedConfig, CostsOneClearError) {
  test::expect_malformed(GetParam(), [](const std::filesystem::path& d) { read_model_config(d); });
}

INSTANTIATE_TEST_SUITE_P(File, MalformedConfig, testing::ValuesIn(kFileRows), test::name_of_row);
const MalformedRow kLlavaRows[] = {
    {"VisionTower", kUnsupported,
     "vision_config.model_type: vision encoder 'siglip_vision_model', expected clip_vision_model",
     llava(R"("vision_config":{"model_type":"siglip_vision_model"})")},
    {"LanguageModel", kUnsupported,
     "text_config.model_type: language model 'opt' in LLaVA, expected llama or mistral",
     llava(R"("text_config":{"model_type":"opt"})")},
    {"OtherLanguageModel", kUnsupported, "language model 'gemma', expected one of",
     llava(R"("text_config":{"model_type":"gemma"})")},
    {"Window", kBad, "text_config.sliding_window: expected an integer in [1, 1048576], got 0",
     llava(R"("text_config":{"model_type":"mistral","sliding_window":0})")},
    {"Channels", kUnsupported, "vision_config.num_channels: pictures of 4 channels, expected 3",
     llava(R"("vision_config":{"num_channels":4})")},
    {"VisionHeads", kBad,
     "vision_config.num_attention_heads: expected a divisor of hidden_size 768, got 11",
     llava(R"("vision_config":{"num_attention_heads":11})")},
    {"PatchLargerThanImage", kBad, "vision_config.patch_size: expected at most image_size 28",
     llava(R"("vision_config":{"image_size":28})")},
    {"FeatureLayerBehind", kBad, "vision_feature_layer: expected an integer in [-25, 24], got 25",
     llava(R"("vision_feature_layer":25)")},
    {"FeatureLayerBefore", kBad, "vision_feature_layer: expected an integer in [-25, 24], got -26",
     llava(R"("vision_feature_layer":-26)")},
    {"FeatureLayerInList", kBad, "vision_feature_layer[1]: expected an integer in [-25, 24]",
     llava(R"("vision_feature_layer":[1,99])")},
    {"FeatureLayersNone", kBad, "vision_feature_layer: expected at least one layer",
     llava(R"("vision_feature_layer":[])")},
    {"FeatureLayersMany", kBad, "vision_feature_layer: expected at most 64 layers",
     llava("\"vision_feature_layer\":[0" + repeated(",0", 64) + "]")},
    {"FeatureLayerString", kBad, "vision_feature_layer: expected an integer",
     llava(R"("vision_feature_layer":"-2")")},
    {"Strategy", kBad, "vision_feature_select_strategy: expected 'default' or 'full', got 'cls'",
     llava(R"("vision_feature_select_strategy":"cls")")},
    {"ProjectorActivation", kUnsupported, "projector_hidden_act: activation 'mish'",
     llava(R"("projector_hidden_act":"mish")")},
    {"ProjectorType", kUnsupported, "mm_projector_type: projector 'mlp3x_gelu', expected one of",
     llava(R"("mm_projector_type":"mlp3x_gelu")")},
    {"ProjectorBias", kBad, "multimodal_projector_bias: expected true or false",
     llava(R"("multimodal_projector_bias":1)")},
    {"ImageToken", kBad, "image_token_index: expected an integer in",
     llava(R"("image_token_index":32000)")},
    {"ImageTokenNegative", kBad, "image_token_index: expected an integer in",
     llava(R"("image_token_index":-1)")},
    {"GenerationKey", kUnsupported, "config.json: guidance_scale: a generation setting that is not",
     llava(R"("guidance_scale":2)")},
};

const MalformedRow kLlavaNextRows[] = {
    {"ClassRows", kUnsupported, "vision_feature_select_strategy: 'full', whose class rows",
     llava_next(R"("vision_feature_select_strategy":"full")")},
    {"GridNumber", kBad, "image_grid_pinpoints: expected an array of 1 to 256 pairs",
     llava_next(R"("image_grid_pinpoints":336)")},
    {"GridEmpty", kBad, "image_grid_pinpoints: expected an array of 1 to 256 pairs",
     llava_next(R"("image_grid_pinpoints":[])")},
    {"GridTriple", kBad, "image_grid_pinpoints[1]: expected [height, width]",
     llava_next(R"("image_grid_pinpoints":[[336,336],[336,336,336]])")},
    {"GridNegative", kBad,
     "image_grid_pinpoints[0][1]: expected an integer in [1, 32768], got -336",
     llava_next(R"("image_grid_pinpoints":[[336,-336]])")},
    {"GridHuge", kBad, "image_grid_pinpoints[0]: expected at most 64000000 pixels",
     llava_next(R"("image_grid_pinpoints":[[32256,32256]])")},
    {"GridOfManyTiles", kBad, "image_grid_pinpoints: expected at most 256 tiles, got [476, 476]",
     llava_next(R"("image_grid_pinpoints":[[476,476]],"vision_config":{"image_size":28,
                   "patch_size":14})")},
    {"GridOfParts", kBad,
     "image_grid_pinpoints: expected multiples of vision_config.image_size 336",
     llava_next(R"("image_grid_pinpoints":[[336,500]])")},
};

const MalformedRow kGenerationFileRows[] = {
    {"Broken", kBad, "generation_config.json: not valid JSON", generation_file("{")},
    {"Array", kBad, "generation_config.json: expected an object", generation_file("[]")},
    {"EosString", kBad, "generation_config.json: eos_token_id: expected an integer",
     generation_file(R"({"eos_token_id":"2"})")},
    {"Beams", kBad, "generation_config.json: num_beams: expected an integer in [1, 64], got 0",
     generation_file(R"({"num_beams":0})")},
    {"PromptIds", kUnsupported, "generation_config.json: encoder_repetition_penalty: a generation",
     generation_file(R"({"encoder_repetition_penalty":2})")},
    {"BadWords", kBad, "generation_config.json: bad_words_ids[0][0]: expected an integer in",
     generation_file(R"({"bad_words_ids":[[40000]]})")},
    {"SequenceBias", kUnsupported, "generation_config.json: sequence_bias: a generation setting",
     generation_file(R"({"sequence_bias":[[[1],-2.0]]})")},
    {"Fifo", kBad, "got a special file",
     [](const TempDirectory& d) {
       llava("")(d);
       d.make_fifo("generation_config.json");
     }},
};

INSTANTIATE_TEST_SUITE_P(Llava, MalformedConfig, testing::ValuesIn(kLlavaRows), test::name_of_row);
INSTANTIATE_TEST_SUITE_P(LlavaNext, MalformedConfig, testing::ValuesIn(kLlavaNextRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(GenerationFile, MalformedConfig, testing::ValuesIn(kGenerationFileRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Kind, MalformedConfig, testing::ValuesIn(kKindRows), test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Vision, MalformedConfig, testing::ValuesIn(kVisionRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(QFormer, MalformedConfig, testing::ValuesIn(kQFormerRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Llama, MalformedConfig, testing::ValuesIn(kLlamaRows), test::name_of_row);
INSTANTIATE_TEST_SUITE_P(T5, MalformedConfig, testing::ValuesIn(kT5Rows), test::name_of_row);
INSTANTIATE_TEST_SUITE_P(Generation, MalformedConfig, testing::ValuesIn(kGenerationRows),
                         test::name_of_row);

// A file that broke off, at every length.
TEST(MalformedConfigCut, IsRefusedAtEveryLength) {
  const std::string whole = R"({"model_type":"instructblip","text_config":{"model_type":"llama"}})";
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    SCOPED_TRACE(kept);
    test::expect_malformed(
        {"Cut", kBad, "config.json: not valid JSON", file(whole.substr(0, kept))},
        [](const std::filesystem::path& d) { read_model_config(d); });
  }
}

TEST(MalformedConfigPath, NamesADirectoryThatIsNone) {
  const MalformedRow row = {"File", ErrorCode::bad_model, "expected a directory, got a file",
                            [](const TempDirectory& d) { d.write("file", ""); }};
  test::expect_malformed(row,
                         [](const std::filesystem::path& d) { read_model_config(d / "file"); });
  const MalformedRow absent = {"Absent", ErrorCode::not_found, "no such directory",
                               [](const TempDirectory&) {}};
  test::expect_malformed(absent,
                         [](const std::filesystem::path& d) { read_model_config(d / "absent"); });
}

}  // namespace
}  // namespace instructblip
