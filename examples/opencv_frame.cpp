// Answers about a frame that OpenCV holds: from a file here, from a cv::VideoCapture just as well.
//
//   opencv_frame CHECKPOINT_DIR PICTURE INSTRUCTION
#include <instructblip/adapters/opencv.h>
#include <instructblip/pipeline.h>

#include <iostream>
#include <opencv2/imgcodecs.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: opencv_frame CHECKPOINT_DIR PICTURE INSTRUCTION\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const cv::Mat frame = cv::imread(argv[2]);  // blue, green, red, as cameras deliver them

  // Copies the pixels in the library's order: the frame may be overwritten at once.
  const instructblip::Image picture = instructblip::image_from_bgr(frame);

  const auto answer = pipeline.generate(picture, argv[3], {.max_new_tokens = 30});
  std::cout << answer.text() << '\n';
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
