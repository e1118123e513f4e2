// Asks a model about scenes of the synthetic world and counts the right answers by question type.
//
//   instructblip_evaluate --model DIR [--scenes N] [--seed S] [--file SCENES.jsonl]
//                         [--crowded] [--attention]
//                         [--num-beams B] [--threads T] [--wrong] [--json]
//
// Scenes are drawn from the seed (1,000 of seed 1), or read from what instructblip_world wrote.
// --crowded draws scenes of 6 to 9 objects and asks about one of them at a time. Every picture is
// encoded once and asked one question of each type. --attention measures how much of the queries'
// attention lies on the object asked about (in scenes drawn: a file does not say which it is).
// --wrong shows wrong answers.
#include <instructblip/explain.h>
#include <instructblip/pipeline.h>

#include <fstream>
#include <iostream>

#include "exam.h"
#include "flags.h"
#include "report.h"
#include "scene_file.h"

namespace {

using namespace world;

class Examiner {
 public:
  Examiner(const instructblip::Pipeline& model, const Flags& flags)
      : model_(model), show_wrong_(flags.has("--wrong")), attention_(flags.has("--attention")) {
    options_.max_new_tokens = 60;
    options_.num_beams = static_cast<int>(flags.number("--num-beams", 1));
  }

  void examine(const Scene& scene, const std::vector<std::uint8_t>& rgb, const Exam& exam) {
    const auto picture = instructblip::Image::view(rgb.data(), kPicturePixels, kPicturePixels);
    const instructblip::ImageFeatures features = model_.encode(picture);
    ++report_.scenes;
    for (const Sample& sample : exam.trained) ask(scene, features, sample, report_.trained);
    for (const Sample& sample : exam.held_out) ask(scene, features, sample, report_.held_out);
    for (const Sample& sample : exam.new_form) ask(scene, features, sample, report_.new_form);
    for (const Sample& sample : exam.trained) {
      if (attention_ && sample.object >= 0) measure_attention(scene, picture, sample);
    }
  }

  const Report& report() const { return report_; }

 private:
  void ask(const Scene& scene, const instructblip::ImageFeatures& features, const Sample& sample,
           Scores& scores) {
    const std::string answer = model_.generate(features, sample.instruction, options_).text();
    Score& score = scores[static_cast<std::size_t>(sample.type)];
    const bool right = is_right(scene, sample, answer);
    ++score.n;
    score.exact += right;
    score.same_wording += is_same_wording(answer, sample.answer);
    if (show_wrong_ && !right) {
      std::cerr << name(sample.type) << ": " << sample.instruction << "\n  expected "
                << sample.answer << "\n  got      " << answer << '\n';
    }
  }

  void measure_attention(const Scene& scene, const instructblip::Image& picture,
                         const Sample& sample) {
    const auto seen = instructblip::explain(model_, {picture, sample.instruction},
                                            {.answer = sample.answer, .relevance = false});
    report_.attention.add(
        share_on_cell(seen.patches(0), seen.grid_columns,
                      scene.objects[static_cast<std::size_t>(sample.object)].cell));
  }

  const instructblip::Pipeline& model_;
  bool show_wrong_, attention_;
  instructblip::GenerationConfig options_;
  Report report_;
};

void examine_file(Examiner& examiner, const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::invalid_argument(path + ": cannot be read");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) try {
      const ScenePage page = from_line(line);
      examiner.examine(page.scene, page.rgb,
                       {.trained = page.samples, .held_out = {}, .new_form = {}});
    } catch (const std::runtime_error& error) {
      throw std::invalid_argument(path + ", line " + std::to_string(number) + ": " + error.what());
    }
}

}  // namespace

int main(int argc, char** argv) try {
  const Flags flags(argc, argv,
                    {"--model", "--scenes", "--seed", "--file", "--num-beams", "--threads"},
                    {"--crowded", "--attention", "--wrong", "--json"});
  if (!flags.has("--model"))
    throw std::invalid_argument("--model: a checkpoint directory is missing");
  const auto model = instructblip::Pipeline::load(
      flags.text("--model"), {.threads = static_cast<int>(flags.number("--threads", 0))});

  Examiner examiner(model, flags);
  if (flags.has("--file")) {
    examine_file(examiner, flags.text("--file"));
  } else {
    const std::uint64_t seed = flags.number("--seed", 1);
    for (std::uint64_t i = 0; i < flags.number("--scenes", 1000); ++i) {
      const bool crowded = flags.has("--crowded");
      const Scene scene = crowded ? make_crowded_scene(seed, i) : make_scene(seed, i);
      examiner.examine(scene, draw(scene).rgb,
                       crowded ? draw_crowded_exam(scene, seed, i) : draw_exam(scene, seed, i));
    }
  }
  std::cout << (flags.has("--json") ? as_json(examiner.report()) : as_table(examiner.report()));
} catch (const std::invalid_argument& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 2;
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
