//! Token transfers (EIP-20), read off the input of a call: a guess of whose
//! balances it moves, whatever the callee is.

use alloy_primitives::Address;

/// `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// `transferFrom(address,address,uint256)`.
const TRANSFER_FROM: [u8; 4] = [0x23, 0xb8, 0x72, 0xdd];

/// Whose balances a token moves that `sender` calls with this `input`; `None`
/// if it is no transfer.
pub(crate) fn holders(sender: Address, input: &[u8]) -> Option<[Address; 2]> {
    let (selector, words) = input.split_first_chunk()?;
    // An address is at the end of its word.
    let address =
        |nth: usize| words.chunks_exact(32).nth(nth).map(|w| Address::from_slice(&w[12..]));
    match *selector {
        TRANSFER => Some([sender, address(0)?]),
        TRANSFER_FROM => Some([address(0)?, address(1)?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    fn call(signature: &str, words: &[u8]) -> Vec<u8> {
        let mut input = keccak256(signature)[..4].to_vec();
        words.iter().for_each(|word| input.extend(Address::repeat_byte(*word).into_word()));
        input
    }

    #[test]
    fn transfers_are_known_by_their_signature() {
        let [sender, one, two] = [9, 1, 2].map(Address::repeat_byte);
        let found = |signature, words: &[u8]| holders(sender, &call(signature, words));
        assert_eq!(found("transfer(address,uint256)", &[1, 5]), Some([sender, one]));
        let from = "transferFrom(address,address,uint256)";
        assert_eq!(found(from, &[1, 2, 5]), Some([one, two]));
        assert_eq!(found("approve(address,uint256)", &[1, 5]), None);
    }

    #[test]
    fn an_input_that_is_too_short_moves_nothing() {
        let whole = call("transferFrom(address,address,uint256)", &[1, 2]);
        assert!((0..whole.len()).all(|end| holders(Address::ZERO, &whole[..end]).is_none()));
    }
}
