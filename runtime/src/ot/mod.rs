//! Oblivious transfer: base OTs, extension, and the pools that protocols draw correlations from.
