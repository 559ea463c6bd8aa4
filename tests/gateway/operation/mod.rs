//! The gateway as its operator has it: several nodes, the command line, what is told to the LMS, and what is written down.

mod around;
mod canary;
mod command_line;
mod help_desk;
mod linked;
pub mod nodes;
pub mod program;
mod reload;
mod sources;
mod told;
