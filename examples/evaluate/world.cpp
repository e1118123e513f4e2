// Draws scenes of the synthetic world with instructions about them, as JSON Lines on stdout: what
// the embedded models are trained on (models/training), and what instructblip_evaluate --file
// reads.
//
//   instructblip_world --scenes N [--seed S] [--first I] [--samples K | --exam]
//                     [--crowded]
//
// --samples K  K instructions a scene, of types drawn as training draws them (default 6)
// --exam       what instructblip_evaluate asks: one of each type, in trained templates
// --crowded    scenes of 6 to 9 objects, questions about one of them
#include <iostream>

#include "exam.h"
#include "flags.h"
#include "scene_file.h"

namespace {

using namespace world;

std::vector<Sample> training_samples(const Scene& scene, std::uint64_t seed, std::uint64_t index,
                                     std::uint64_t count, bool crowded) {
  const Sampler sampler(scene);
  Random random(seed ^ 0x5A3D, index);  // not the numbers that made the scene
  std::vector<Sample> samples;
  while (samples.size() < count) {
    const Type type = crowded ? Sampler::crowded_type(random) : Sampler::training_type(random);
    if (auto sample = sampler.draw(type, Split::trained, random)) {
      samples.push_back(std::move(*sample));
    }
  }
  return samples;
}

}  // namespace

int main(int argc, char** argv) try {
  const Flags flags(argc, argv, {"--scenes", "--seed", "--first", "--samples"},
                    {"--exam", "--crowded"});
  const bool crowded = flags.has("--crowded");
  const auto seed = flags.number("--seed", 1), first = flags.number("--first", 0);
  const auto scenes = flags.number("--scenes", 1), samples = flags.number("--samples", 6);
  std::ios::sync_with_stdio(false);
  for (std::uint64_t i = first; i < first + scenes && std::cout; ++i) {
    ScenePage page{.scene = crowded ? make_crowded_scene(seed, i) : make_scene(seed, i)};
    if (flags.has("--exam")) {
      page.samples = (crowded ? draw_crowded_exam : draw_exam)(page.scene, seed, i).trained;
    } else {
      page.samples = training_samples(page.scene, seed, i, samples, crowded);
    }
    Picture picture = draw(page.scene);
    page.rgb = std::move(picture.rgb);
    page.owners = std::move(picture.owners);
    std::cout << to_line(page) << '\n';
  }
  return std::cout.flush() ? 0 : 1;
} catch (const std::invalid_argument& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 2;
}
