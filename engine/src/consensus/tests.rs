mod chains;
mod data;
mod exceptions;
mod export;
mod mainnet;
mod rules;
