// Checkpoints as training code leaves them: wrapped names, models with an adapter in them, LLaVA's
// own layout. They must answer as the plain ones do.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "golden/checkpoint_parts.h"
#include "golden/golden_requests.h"
#include "instructblip/checkpoint.h"
#include "support/expect_error.h"
#include "support/lavis_names.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using namespace test;  // NOLINT: golden requests, files to write

using Tensors = std::vector<SavedTensor>;
using Rename = std::function<std::string(const std::string&)>;

const fs::path kAdapters = kCheckpoints.parent_path() / "adapters";

// The tensors of a golden checkpoint by the names in its files, each with another name.
Tensors stored_as(const std::string& checkpoint, const Rename& rename) {
  const TensorStore store = TensorStore::open(kCheckpoints / checkpoint);
  Tensors tensors;
  for (const TensorEntry& entry : store.entries()) {
    tensors.push_back(saved(entry));
    tensors.back().name = rename(entry.name);
  }
  return tensors;
}

void write_as_safetensors(const fs::path& file, const Tensors& tensors) {
  std::vector<TensorToWrite> out;
  for (const SavedTensor& tensor : tensors) {
    out.push_back(
        {tensor.name, tensor.dtype, tensor.shape, std::as_bytes(std::span(tensor.bytes))});
  }
  write_safetensors(file, out);
}

std::string inside(const std::string& name, const std::string& part, const std::string& wrapper) {
  std::string out = name;
  const std::size_t at = out.find(part);
  if (at != std::string::npos) out.insert(at + part.size(), wrapper);
  return out;
}

struct Wrapping {
  const char* name;
  const char* checkpoint;
  Rename rename;
  std::string key;  // key of the dictionary, in a file of torch.save()
};

Rename behind(const std::string& prefix) {
  return [=](const std::string& name) { return prefix + name; };
}
std::string everywhere(const std::string& name) {
  return "_forward_module.model.module._orig_mod." +
         inside(inside(name, "layers.", "_checkpoint_wrapped_module."), "language_model.",
                "_fsdp_wrapped_module.");
}

const Wrapping kWrappings[] = {
    {"Parallel", "vicuna_2024", behind("module."), ""},
    {"Compiled", "t5_2024", behind("_orig_mod."), "model_state_dict"},
    {"CompiledInParallel", "blip2_opt", behind("module._orig_mod."), "net"},
    {"Lightning", "vicuna_2024", behind("model."), "state_dict"},
    {"LightningLlava", "llava_hub", behind("model."), "state_dict"},
    {"LightningLlavaInMemory", "llava_memory_names", behind("model."), "state_dict"},
    {"LightningNext", "llava_next_hub", behind("model."), "state_dict"},
    {"OtherAttribute", "t5_2024", behind("blip."), "weights"},
    {"LanguageModelAlone", "vicuna_2024",
     [](const std::string& name) { return inside(name, "language_model.", "_orig_mod."); }, ""},
    {"EveryWrapperAtEveryLevel", "t5_2024", everywhere, ""},
};

class WrappedNamesTest : public testing::TestWithParam<Wrapping> {};

TEST_P(WrappedNamesTest, AnswerAsThePlainOnes) {
  const Wrapping& wrapping = GetParam();
  const Parts parts(wrapping.checkpoint);
  const Tensors tensors = stored_as(wrapping.checkpoint, wrapping.rename);
  if (wrapping.key.empty()) {
    write_as_safetensors(parts.checkpoint() / "model.safetensors", tensors);
  } else {
    parts.directory().write("checkpoint/epoch=3.ckpt", torch_file_of(tensors, wrapping.key));
  }
  expect_golden_answers(Pipeline::load(parts.checkpoint()), wrapping.checkpoint);
  // The same file laid over a model.
  if (wrapping.key.empty()) return;
  fs::rename(parts.checkpoint() / "epoch=3.ckpt", parts.directory() / "over.ckpt");
  parts.write_with_zeros([](const TensorEntry&) { return true; });
  LoadOptions options;
  options.overlays = {parts.directory() / "over.ckpt"};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), wrapping.checkpoint);
}

INSTANTIATE_TEST_SUITE_P(Rows, WrappedNamesTest, testing::ValuesIn(kWrappings),
                         [](const auto& test) { return test.param.name; });

TEST(WrappedNames, OfALanguageModelAlone) {
  const Parts parts("vicuna_2024");
  parts.write_with_zeros(Parts::is_of_language);
  Tensors tensors;
  for (const TensorEntry& entry : parts.store().entries()) {
    if (!Parts::is_of_language(entry)) continue;
    tensors.push_back(saved(entry));
    tensors.back().name = "model._orig_mod." + entry.name.substr(kLanguage.size());
  }
  fs::create_directory(parts.directory() / "language");
  write_as_safetensors(parts.directory() / "language/model.safetensors", tensors);
  LoadOptions options;
  options.language_model = parts.directory() / "language";
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), "vicuna_2024");
}

// --- a model that was saved with an adapter in it

// What state_dict() of a model with peft's modules has, in which the adapter is not merged.
class Unmerged {
 public:
  explicit Unmerged(const std::string& adapter)
      : golden_(Json::read(kAdapters / adapter / "golden.json")),
        parts_(golden_.at("checkpoint").string()),
        adapter_(kAdapters / adapter) {
    const TensorStore changes = TensorStore::open_file(adapter_ / "adapter_model.safetensors");
    std::set<std::string> changed, whole;
    for (const TensorEntry& entry : changes.entries()) {
      SavedTensor tensor = saved(entry);
      const std::size_t lora = tensor.name.find(".lora_");
      if (lora != std::string::npos) {
        changed.insert(tensor.name.substr(0, lora));
        replace_all(tensor.name, ".weight", ".default.weight");
      } else {
        const std::size_t leaf = tensor.name.rfind('.');
        whole.insert(tensor.name.substr(0, leaf));
        tensor.name.insert(leaf, ".modules_to_save.default");
      }
      tensors_.push_back(std::move(tensor));
    }
    for (SavedTensor& tensor :
         stored_as(golden_.at("checkpoint").string(), behind("base_model.model."))) {
      const std::size_t leaf = tensor.name.rfind('.');
      const std::string module = tensor.name.substr(0, leaf);
      if (changed.contains(module)) tensor.name.insert(leaf, ".base_layer");
      if (whole.contains(module)) tensor.name.insert(leaf, ".original_module");
      tensors_.push_back(std::move(tensor));
    }
  }

  const Parts& parts() const { return parts_; }
  Tensors& tensors() { return tensors_; }
  fs::path config() const { return adapter_ / "adapter_config.json"; }

  void expect_answers_of_the_adapter(const Pipeline& pipeline) const {
    for (const Json& request : golden_.at("requests").elements()) {
      SCOPED_TRACE(request.at("name").string());
      expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                     options_of(request.at("options"))),
                   request);
    }
  }

 private:
  Json golden_;
  Parts parts_;
  fs::path adapter_;
  Tensors tensors_;
};

TEST(UnmergedAdapter, IsMergedWithTheScaleOfItsConfig) {
  Unmerged state("t5_whole");
  const fs::path checkpoint = state.parts().checkpoint();
  write_as_safetensors(checkpoint / "model.safetensors", state.tensors());
  const std::string message = expect_error(ErrorCode::bad_model, "LoRA changes that are not merged",
                                           [&] { Pipeline::load(checkpoint); });
  EXPECT_NE(message.find("lora_alpha and r are not in the weights"), std::string::npos) << message;
  fs::copy(state.config(), checkpoint);
  state.expect_answers_of_the_adapter(Pipeline::load(checkpoint));
  // What is written of it has the adapter in it, and no config of one beside it.
  convert(checkpoint, state.parts().directory() / "written");
  state.expect_answers_of_the_adapter(Pipeline::load(state.parts().directory() / "written"));
  // Merged once, and no second time.
  LoadOptions options;
  options.adapters = {checkpoint};
  expect_error(ErrorCode::bad_model, "the same adapter is given once more",
               [&] { Pipeline::load(checkpoint, options); });
}

TEST(UnmergedAdapter, IsMergedWhereItIsLaidOverAModel) {
  Unmerged state("t5_whole");
  const Parts& parts = state.parts();
  parts.write_with_zeros([](const TensorEntry&) { return true; });
  fs::create_directory(parts.directory() / "run");
  for (SavedTensor& tensor : state.tensors()) tensor.name = "module." + tensor.name;
  parts.directory().write("run/pytorch_model.bin", torch_file_of(state.tensors(), "module"));
  fs::copy(state.config(), parts.directory() / "run");
  for (const char* overlay : {"run/pytorch_model.bin", "run"}) {
    LoadOptions options;
    options.overlays = {parts.directory() / overlay};
    state.expect_answers_of_the_adapter(Pipeline::load(parts.checkpoint(), options));
  }
}

// --- an adapter beside a whole model

TEST(AdapterBesideAModel, IsUsedWhereItIsGivenAndElseAQuestion) {
  const Json golden = Json::read(kAdapters / "t5_whole/golden.json");
  const Parts parts("t5_2024");
  parts.write_with_zeros([](const TensorEntry&) { return false; });
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
    fs::copy(kAdapters / "t5_whole" / file, parts.checkpoint());
  }
  expect_error(ErrorCode::bad_model, "weights, and a LoRA adapter beside them",
               [&] { Pipeline::load(parts.checkpoint()); });
  LoadOptions options;
  options.adapters = {parts.checkpoint()};
  const Pipeline pipeline = Pipeline::load(parts.checkpoint(), options);
  for (const Json& request : golden.at("requests").elements()) {
    expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                   options_of(request.at("options"))),
                 request);
  }
  // Also where the folder is laid over another one.
  const Parts other("t5_2024");
  LoadOptions over;
  over.overlays = {parts.checkpoint()};
  expect_error(ErrorCode::bad_model, "weights, and a LoRA adapter beside them",
               [&] { Pipeline::load(other.checkpoint(), over); });
}

TEST(AdapterBesideAModel, IsNoModelAlone) {
  const Parts parts("t5_2024");
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
    fs::copy(kAdapters / "t5_whole" / file, parts.checkpoint());
  }
  fs::remove(parts.checkpoint() / "preprocessor_config.json");  // not what is to be said first
  const std::string message = expect_error(
      ErrorCode::bad_model, "a LoRA adapter, expected a whole model; it is for 't5_2024'",
      [&] { Pipeline::load(parts.checkpoint()); });
  EXPECT_NE(message.find("--lora"), std::string::npos) << message;
  // Its file is none either, wherever it is given.
  LoadOptions options;
  options.overlays = {kAdapters / "t5_whole/adapter_model.safetensors"};
  expect_error(ErrorCode::bad_model, "a LoRA adapter (",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  options.overlays.clear();
  options.adapters = {kAdapters / "t5_whole/adapter_model.safetensors"};
  expect_error(ErrorCode::bad_model, "give the directory in which it lies",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
}

// --- LLaVA's own code

std::string own_llava_name(std::string name) {
  if (name.starts_with("vision_tower.")) return "model.vision_tower." + name;
  replace_all(name, "multi_modal_projector.linear_1.", "model.mm_projector.0.");
  replace_all(name, "multi_modal_projector.linear_2.", "model.mm_projector.2.");
  if (name == "image_newline") return "model.image_newline";
  if (name.starts_with(kLanguage)) name.erase(0, kLanguage.size());
  return name;
}

// What LLaVA's own code writes: one level, the language model's settings, a type of its own.
std::string own_config(const fs::path& file) {
  std::ifstream stream(file);
  nlohmann::json own = nlohmann::json::parse(stream).at("text_config");
  own["model_type"] = "llava_llama";
  return own.dump();
}

TEST(OwnLlava, IsLaidOverADirectoryOfTransformers) {
  for (const char* name : {"llava_hub", "llava_next_hub"}) {
    SCOPED_TRACE(name);
    const Parts parts(name);
    parts.write_with_zeros([](const TensorEntry&) { return true; });
    fs::create_directory(parts.directory() / "own");
    parts.directory().write("own/pytorch_model.bin",
                            torch_file_of(stored_as(name, own_llava_name)));
    parts.directory().write("own/config.json", own_config(parts.checkpoint() / "config.json"));
    LoadOptions options;
    options.overlays = {parts.directory() / "own"};
    expect_golden_answers(Pipeline::load(parts.checkpoint(), options), name);
    // In the place of the hub's weights.
    fs::remove(parts.checkpoint() / "model.safetensors");
    fs::rename(parts.directory() / "own/pytorch_model.bin",
               parts.checkpoint() / "pytorch_model.bin");
    expect_golden_answers(Pipeline::load(parts.checkpoint()), name);
  }
}

TEST(OwnLlava, TakesWhatWasTrainedBesideAnAdapter) {
  const std::string name = "llava_hub";
  const auto is_beside = [](const std::string& tensor) { return !tensor.starts_with(kLanguage); };
  const Parts parts(name);
  parts.write_with_zeros([&](const TensorEntry& entry) { return is_beside(entry.name); });
  Tensors tensors;
  for (SavedTensor& tensor : stored_as(name, [](const std::string& stored) { return stored; })) {
    if (!is_beside(tensor.name)) continue;
    tensor.name = "base_model.model." + own_llava_name(tensor.name);
    tensors.push_back(std::move(tensor));
  }
  fs::create_directory(parts.directory() / "lora");
  const std::string beside = "lora/non_lora_trainables.bin";
  parts.directory().write(beside, torch_file_of(tensors));
  LoadOptions options;
  options.overlays = {parts.directory() / beside};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), name);
  // With an adapter that changes nothing.
  const std::string module =
      "base_model.model.model.vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_"
      "proj";
  const Shape weight =
      parts.store().find("vision_tower.encoder.layers.0.self_attn.q_proj.weight")->shape;
  write_as_safetensors(
      parts.directory() / "lora/adapter_model.safetensors",
      {{module + ".lora_A.weight", DType::f32, {1, weight[1]}, std::string(4 * weight[1], '\0')},
       {module + ".lora_B.weight", DType::f32, {weight[0], 1}, std::string(4 * weight[0], '\0')}});
  parts.directory().write("lora/adapter_config.json",
                          R"({"peft_type": "LORA", "r": 1, "lora_alpha": 2})");
  options.overlays.clear();
  options.adapters = {parts.directory() / "lora"};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), name);
}

TEST(OwnLlava, AsTheModelIsToldWhatToDo) {
  for (const char* type : {"llava", "llava_llama", "llava_mistral"}) {
    const TempDirectory directory;
    directory.write("config.json", R"({"mm_vision_tower": "openai/clip-vit-large-patch14-336",
                                       "hidden_size": 4096, "model_type": ")" +
                                       std::string(type) + "\"}");
    const std::string message = expect_error(ErrorCode::unsupported, "of LLaVA's own code",
                                             [&] { Pipeline::load(directory.path()); });
    EXPECT_NE(message.find("--overlay " + directory.path().string()), std::string::npos);
    directory.write("adapter_config.json",
                    R"({"base_model_name_or_path": "lmsys/vicuna-7b-v1.5"})");
    const std::string of_adapter = expect_error(ErrorCode::unsupported, "'lmsys/vicuna-7b-v1.5'",
                                                [&] { Pipeline::load(directory.path()); });
    EXPECT_NE(of_adapter.find("--lora " + directory.path().string()), std::string::npos);
  }
}

// --- where nothing fits, what is there is shown

TEST(UnknownNames, AreShown) {
  const Parts parts("t5_2024");
  write_as_safetensors(parts.checkpoint() / "model.safetensors",
                       stored_as("t5_2024", [](const std::string& name) {
                         std::string other = "blip/" + name;
                         replace_all(other, ".", "/");
                         return "net." + other;
                       }));
  const std::string message = expect_error(ErrorCode::bad_model, "they have 'net.blip/language_",
                                           [&] { Pipeline::load(parts.checkpoint()); });
  EXPECT_NE(message.find("all behind 'net.'"), std::string::npos) << message;
}

TEST(UnknownNames, AreShownBesideThoseThatAreMissing) {
  const Parts parts("t5_2024");
  write_as_safetensors(parts.checkpoint() / "model.safetensors",
                       stored_as("t5_2024", [](const std::string& name) {
                         return inside(name, "language_model.encoder.", "wrapped.");
                       }));
  const std::string message =
      expect_error(ErrorCode::bad_model, "is missing", [&] { Pipeline::load(parts.checkpoint()); });
  EXPECT_NE(message.find("language_model.encoder.wrapped."), std::string::npos) << message;
}

TEST(UngatheredWeights, AreNamed) {
  const Parts parts("t5_2024");
  Tensors tensors = stored_as("t5_2024", [](const std::string& name) { return name; });
  for (const char* part : {"decoder", "vision_model"}) {
    for (SavedTensor& tensor : tensors) {
      if (tensor.name.find(part) == std::string::npos) continue;
      tensor.shape = {0};
      tensor.bytes.clear();
    }
    write_as_safetensors(parts.checkpoint() / "model.safetensors", tensors);
    expect_error(ErrorCode::bad_model, "zero_to_fp32.py",
                 [&] { Pipeline::load(parts.checkpoint()); });
  }
}

}  // namespace
}  // namespace instructblip
