// Which way up a picture is: where its metadata says so, and how to turn it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "image/byte_reader.h"
#include "image/codec.h"

namespace instructblip {

// The orientation tag of an EXIF block (a small TIFF, "Exif\0\0" before it or not); nothing where
// there is none. Damaged metadata never fails: what cannot be read is not there.
std::optional<int> exif_orientation(std::span<const std::uint8_t> exif);

// The same from one directory of a TIFF.
std::optional<int> directory_orientation(const ByteReader& tiff, std::uint64_t offset);

// tiff:Orientation of an XMP packet.
std::optional<int> xmp_orientation(std::span<const std::uint8_t> xmp);

// Turns a picture of three channels upright. Numbers outside 2 to 8 leave it as it is.
Pixels upright(Pixels pixels, int orientation);

}  // namespace instructblip
