//! Contract, see below.
