//! The gateway as its operator has it: several nodes, the command line, what is told to the LMS, and what is written down.

mod around;
mod canary;
mod command_line;
pub mod nodes;
pub mod program;
mod sources;
mod told;
