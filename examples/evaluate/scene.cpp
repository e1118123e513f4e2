#include "scene.h"

#include <algorithm>

#include "random.h"

namespace world {
namespace {

constexpr std::array<Rgb, 8> kPaints = {{{210, 40, 40},
                                         {40, 150, 60},
                                         {40, 80, 200},
                                         {240, 210, 40},
                                         {240, 130, 30},
                                         {130, 60, 160},
                                         {245, 140, 180},
                                         {30, 30, 30}}};
constexpr std::array<Rgb, 4> kBackgrounds = {{{245, 245, 245},
                                              {185, 185, 190},
                                              {190, 220, 245},
                                              {235, 215, 175}}};  // white, grey, sky, sand

/// `count` different numbers below `total`, in random order.
std::vector<int> choose(Random& random, int total, int count) {
  std::vector<int> numbers(static_cast<std::size_t>(total));
  for (int i = 0; i < total; ++i) numbers[static_cast<std::size_t>(i)] = i;
  for (int i = 0; i < count; ++i) {
    std::swap(numbers[static_cast<std::size_t>(i)],
              numbers[static_cast<std::size_t>(random.between(i, total - 1))]);
  }
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

int centre_of(int cell_coordinate) { return cell_coordinate * kCellPixels + kCellPixels / 2; }

/// How far objects may be moved from their cell's centre, in pixels.
struct Reach {
  int small, large;
};

Object make_object(Random& random, int shape, int colour, int cell, Reach reaches = {5, 4}) {
  Object object{.shape = shape, .colour = colour, .size = random.below(2), .cell = cell};
  object.diameter = object.size == 1 ? 2 * random.between(9, 10) : 2 * random.between(5, 6);
  // A large object is kept inside the picture, not inside its cell.
  const int reach = object.size == 1 ? reaches.large : reaches.small;
  const int low = object.diameter / 2, high = kPicturePixels - object.diameter / 2;
  object.x = std::clamp(centre_of(cell % kCellsAcross) + random.between(-reach, reach), low, high);
  object.y = std::clamp(centre_of(cell / kCellsAcross) + random.between(-reach, reach), low, high);
  object.shade = kPaints[static_cast<std::size_t>(colour)];
  for (int& channel : object.shade) {
    channel = std::clamp(channel + random.between(-12, 12), 0, 255);
  }
  return object;
}

Scene make_background(Random& random) {
  Scene scene;
  scene.background = random.pick(kBackgrounds);
  scene.slope = random.between(-20, 20);
  scene.noise = random.next();
  return scene;
}

bool shows(const Scene& scene, int shape, int colour) {
  return std::ranges::any_of(scene.objects, [=](const Object& object) {
    return object.shape == shape && object.colour == colour;
  });
}

Sign make_sign(Random& random, int cell) {
  Sign sign{.text = random.chance(50) ? std::to_string(random.between(10, 99))
                                      : std::string(random.pick(kWords)),
            .cell = cell};
  const auto place = [&random](int cell_coordinate, int length) {
    const int start = centre_of(cell_coordinate) - length / 2 + random.between(-2, 2);
    return std::clamp(start, 0, kPicturePixels - length);
  };
  sign.x = place(cell % kCellsAcross, kSignWidth);
  sign.y = place(cell / kCellsAcross, kSignHeight);
  return sign;
}

}  // namespace

Scene make_scene(std::uint64_t seed, std::uint64_t index) {
  Random random(seed, index);
  Scene scene = make_background(random);
  const int count = random.between(1, 4);
  const std::vector<int> cells = choose(random, kCellsAcross * kCellsAcross, count + 1);
  // Two values repeat often, so that counts above one are common.
  const std::vector<int> colours = choose(random, 8, random.chance(50) ? 2 : 8);
  const std::vector<int> shapes = choose(random, 6, random.chance(50) ? 2 : 6);
  while (static_cast<int>(scene.objects.size()) < count) {
    const int shape = random.pick(shapes), colour = random.pick(colours);
    if (!shows(scene, shape, colour)) {
      scene.objects.push_back(make_object(random, shape, colour, cells[scene.objects.size()]));
    }
  }
  std::ranges::sort(scene.objects, {}, &Object::cell);
  if (random.chance(70)) scene.sign = make_sign(random, cells.back());
  return scene;
}

Scene make_crowded_scene(std::uint64_t seed, std::uint64_t index) {
  Random random(seed, index);
  Scene scene = make_background(random);
  const std::vector<int> cells =
      choose(random, kCellsAcross * kCellsAcross, random.between(6, kCellsAcross * kCellsAcross));
  while (scene.objects.size() < cells.size()) {
    const int shape = random.below(kShapes.size()), colour = random.below(kColours.size());
    if (!shows(scene, shape, colour)) {
      scene.objects.push_back(
          make_object(random, shape, colour, cells[scene.objects.size()], {5, 2}));
    }
  }
  std::ranges::sort(scene.objects, {}, &Object::cell);
  return scene;
}

}  // namespace world
