// Adapters that hold less, or something else, than their adapter_config.json says. What peft 0.21.2
// does with each: it warns of what is missing, fails without modules_to_save, and leaves out what
// is not named.
#include "adapters/lora_coverage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/weight_sources.h"
#include "checkpoint/safetensors_writer.h"
#include "config/model_config.h"
#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempDirectory;
using test::Warnings;

const fs::path kGolden = fs::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden";
constexpr ErrorCode kBad = ErrorCode::bad_model;

using Kept = std::function<bool(std::string_view)>;

Kept without(std::vector<std::string> parts) {
  return [=](std::string_view name) {
    for (const std::string& part : parts) {
      if (name.find(part) == std::string_view::npos) return true;
    }
    return false;  // all parts are in it
  };
}
const Kept kAll = without({"no tensor"});

// A golden adapter of which some tensors are kept, under names that may be changed.
class Adapter {
 public:
  Adapter(const std::string& name, const Kept& kept, const Json::Edits& changes = {},
          const std::function<std::string(std::string)>& renamed = {}) {
    const fs::path from = kGolden / "adapters" / name;
    directory_.write("adapter_config.json", Json::read(from / "adapter_config.json").with(changes));
    const TensorStore store = TensorStore::open_file(from / "adapter_model.safetensors");
    std::vector<TensorToWrite> out;
    for (const TensorEntry& entry : store.entries()) {
      if (!kept(entry.name)) continue;
      out.push_back(
          {renamed ? renamed(entry.name) : entry.name, entry.dtype, entry.shape, entry.bytes});
    }
    write_safetensors(directory_ / "adapter_model.safetensors", out);
  }

  const TempDirectory& directory() const { return directory_; }

  void merge(const std::string& checkpoint, const std::vector<fs::path>& overlays = {}) const {
    const fs::path path = kGolden / "checkpoints" / checkpoint;
    ModelConfig config = read_model_config(path);
    gather_weights({.checkpoint = path, .overlays = overlays, .adapters = {directory_.path()}},
                   config);
  }
  std::string warnings(const std::string& checkpoint) const {
    const Warnings warnings;
    merge(checkpoint);
    return warnings.all();
  }

 private:
  TempDirectory directory_;
};

TEST(LoraCoverage, OfAWholeAdapterIsNotSpokenOf) {
  for (const auto& [name, checkpoint] : {std::pair{"t5_whole", "t5_2024"},
                                         {"t5_again", "t5_2024"},
                                         {"vicuna_language", "vicuna_2024"},
                                         {"opt_embedding", "blip2_opt"},
                                         {"llava_dora", "llava_hub"}}) {
    EXPECT_EQ(Adapter(name, kAll).warnings(checkpoint), "") << name;
  }
}

void expect_warning(const Adapter& adapter, const std::string& checkpoint,
                    const std::string& part) {
  const std::string warnings = adapter.warnings(checkpoint);
  EXPECT_NE(warnings.find("fewer modules than its adapter_config.json says"), std::string::npos);
  EXPECT_NE(warnings.find(part), std::string::npos) << warnings;
}

TEST(LoraCoverage, NamesWhatIsMissing) {
  const Kept without_v = without({"decoder.block.1", ".v."});
  const std::string v =
      "2, such as language_model.decoder.block.1.layer.0.SelfAttention.v, "
      "language_model.decoder.block.1.layer.1.EncDecAttention.v";
  expect_warning(Adapter("t5_whole", without_v), "t5_2024", v);
  expect_warning(Adapter("t5_whole", without({"vision_model"})), "t5_2024",
                 "5, such as vision_model.embeddings.patch_embedding");
  expect_warning(Adapter("llava_dora", without({"layers.1.", "q_proj"})), "llava_hub",
                 "2, such as model.language_model.layers.1.self_attn.q_proj, "
                 "model.vision_tower.vision_model.encoder.layers.1.self_attn.q_proj");
  expect_warning(Adapter("llava_dora", without({"vision"})), "llava_hub",
                 "3, such as model.vision");
  expect_warning(Adapter("vicuna_language", without({"layers.1.", "q_proj"})), "vicuna_2024",
                 "1: model.layers.1.self_attn.q_proj");
  const std::string any = R"x(".*\\.(q|v|wi_0|query|key|qkv|projection|patch_embedding)")x";
  expect_warning(Adapter("t5_whole", without_v, {{{"target_modules"}, any}}), "t5_2024", v);
  // What is not understood is held against the other layers.
  const std::string ahead = R"x("(?!x).*\\.(q|v|wi_0|query|key|qkv|projection|patch_embedding)")x";
  expect_warning(Adapter("t5_whole", without_v, {{{"target_modules"}, ahead}}), "t5_2024", v);
}

TEST(LoraCoverage, FollowsWhatLimitsTheModules) {
  const auto quiet = [](const Adapter& adapter, const std::string& checkpoint) {
    EXPECT_EQ(adapter.warnings(checkpoint), "");
  };
  quiet(Adapter("vicuna_language", without({"layers.1."}),
                {{{"layers_to_transform"}, "[0]"}, {{"target_modules"}, R"(["q_proj", "v_proj",
                   "down_proj", "lm_head", "model.embed_tokens"])"}}),
        "vicuna_2024");
  quiet(Adapter("t5_whole", without({"decoder"}),
                {{{"exclude_modules"}, "\".*\\\\.decoder\\\\..*\""}}),
        "t5_2024");
  quiet(Adapter("t5_whole", without({"EncDecAttention", ".q."}),
                {{{"exclude_modules"}, "[\"EncDecAttention.q\"]"}}),
        "t5_2024");
}

TEST(LoraCoverage, RefusesWhatIsNotNamed) {
  const auto refused = [](const Json::Edits& changes, const std::string& part) {
    expect_error(kBad, "does not name, " + part,
                 [&] { Adapter("t5_whole", kAll, changes).merge("t5_2024"); });
  };
  refused({{{"target_modules"}, R"(["q", "v"])"}}, "19, such as language_model.decoder.block.0");
  refused({{{"exclude_modules"}, R"(["q"])"}}, "6, such as language_model.decoder.block.0");
  refused({{{"layers_to_transform"}, "0"}, {{"layers_pattern"}, "\"block\""}}, "");
  refused({{{"target_modules"}, "\"all-linear\""}}, "1: vision_model.embeddings.patch_embedding");
}

TEST(LoraCoverage, AsksForWhatWasTrainedWhole) {
  expect_error(kBad, "(modules_to_save), but the adapter does not hold them, 2, such as",
               [] { Adapter("t5_whole", without({"language_projection"})).merge("t5_2024"); });
  expect_error(kBad, "(modules_to_save), but the adapter does not hold them, 1: ", [] {
    Adapter("t5_whole", without({"language_projection.bias"})).merge("t5_2024");
  });
  const Adapter adapter("t5_whole", kAll, {{{"bias"}, "\"lora_only\""}});
  EXPECT_NE(adapter.warnings("t5_2024").find("biases were trained, but the adapter lacks"),
            std::string::npos);
}

// By the names of a LLaMA alone, as LLaVA's own code has them.
TEST(LoraCoverage, AsksForWhatLlavaTrainsBeside) {
  const auto renamed = [](std::string name) {
    const std::string from = "model.language_model.";
    const std::size_t at = name.find(from);
    return at == std::string::npos ? name : name.replace(at, from.size(), "model.");
  };
  const auto kept = [](std::string_view name) {
    return name.find("vision") == std::string_view::npos &&
           name.find("linear_1") == std::string_view::npos;
  };
  const auto made = [&](const std::string& base) {
    return Adapter("llava_dora", kept, {{{"base_model_name_or_path"}, "\"" + base + "\""}},
                   renamed);
  };
  EXPECT_NE(made("lmsys/vicuna-7b-v1.5").warnings("llava_hub").find("where LLaVA's own code"),
            std::string::npos);
  const std::string missing = "expected non_lora_trainables.bin beside it";
  expect_error(kBad, missing, [&] { made("liuhaotian/llava-v1.5-7b").merge("llava_hub"); });
  const Adapter own = made("lmsys/vicuna-7b-v1.5");
  const Json checkpoint = Json::read(kGolden / "checkpoints/llava_hub/config.json");
  own.directory().write(
      "config.json",
      Json::parse(checkpoint.at("text_config").dump(), "text_config")
          .with({{{"model_type"}, "\"llava_llama\""}, {{"mm_projector_type"}, "\"mlp2x_gelu\""}}));
  expect_error(kBad, missing, [&] { own.merge("llava_hub"); });
  // A projector may come from elsewhere.
  const TempDirectory directory;
  std::vector<TensorToWrite> projector;
  const TensorStore store = TensorStore::open(kGolden / "checkpoints/llava_hub");
  for (const TensorEntry& entry : store.entries()) {
    if (!entry.name.starts_with("multi_modal_projector.")) continue;
    projector.push_back({entry.name, entry.dtype, entry.shape, entry.bytes});
  }
  write_safetensors(directory / "projector.safetensors", projector);
  EXPECT_NO_THROW(own.merge("llava_hub", {directory / "projector.safetensors"}));
}

}  // namespace
}  // namespace instructblip
