// Windows of attention, as config.json describes them.
#pragma once

#include <cstdint>
#include <optional>

#include "config/config_section.h"

namespace instructblip {

// Which of the reference's models reads the section: their cache forgets what lies before a window
// in the layers that have one, whatever the model; Mistral masks it in all layers besides.
enum class WindowMask { none, sliding };

// The positions that a token sees, itself included, where a window slides over them in any of
// `layers`; none where all are seen. `fallback` is the window of a section that does not say.
// Throws Error: bad_model for what the reference fails with, unsupported for caches that layers
// share.
std::optional<std::int64_t> read_window(const ConfigSection& text, std::int64_t layers,
                                        WindowMask mask, std::optional<std::int64_t> fallback = {});

// For models that are run without one: throws Error(unsupported) for a window that any text
// reaches.
void refuse_window(const ConfigSection& text, std::int64_t layers);

}  // namespace instructblip
