// A file of the model that becomes shorter while it is used.
#pragma once

namespace instructblip::cli {

// From now on, where memory of a mapped file is read that the file no longer has, the process ends
// with a message that names the file, and with ExitCode::model. Without it the system's signal,
// SIGBUS, would end it without a word.
void explain_bus_faults();

}  // namespace instructblip::cli
