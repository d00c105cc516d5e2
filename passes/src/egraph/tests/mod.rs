//! Rules against the interpreter, and whole programs.

mod contradiction;
mod guarantee;
mod layers;
mod left_sides;
mod programs;
mod ring_graph;
mod rules;
