//! Plain value transfers, computed without an EVM.

use crate::{block::Receipt, transactions::Transactions};
use alloy_consensus::{EthereumReceipt, Transaction as _, TxType};
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, TxKind, U256};
use blockloom_state::AccountBasics;
use revm::{
    context_interface::Cfg,
    primitives::{KECCAK_EMPTY, hardfork::SpecId},
};

/// Gas of a transaction without calldata, access list or execution (Yellow
/// Paper, `G_transaction`); also its floor (EIP-7623).
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// The lowest address that is surely not a precompile: they are at 1 to 0x11
/// and 0x100 (EIP-7951), and the range is kept free far beyond.
const ABOVE_PRECOMPILES: Address = {
    let mut bytes = [0; 20];
    bytes[17] = 1;
    Address::new(bytes)
};

/// What holds for the plain transfers of one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferRules {
    chain_id: u64,
    beneficiary: Address,
    base_fee: u128,
    /// From London on the base fee is burnt (EIP-1559).
    burns: bool,
    gas_limit_cap: u64,
    /// Kinds of transaction that the fork has and this module knows.
    kinds: &'static [TxType],
    /// Whether the fork's rules are those this module was written for.
    known: bool,
}

impl TransferRules {
    /// The rules in `env`, whose configuration must be that of a network: no
    /// check is switched off.
    pub(crate) fn new(env: &EvmEnv) -> Self {
        let spec = env.cfg_env.spec;
        Self {
            chain_id: env.cfg_env.chain_id,
            beneficiary: env.block_env.beneficiary,
            base_fee: u128::from(env.block_env.basefee),
            burns: spec.is_enabled_in(SpecId::LONDON),
            gas_limit_cap: env.cfg_env.tx_gas_limit_cap(),
            kinds: if spec.is_enabled_in(SpecId::LONDON) {
                &[TxType::Legacy, TxType::Eip2930, TxType::Eip1559]
            } else if spec.is_enabled_in(SpecId::BERLIN) {
                &[TxType::Legacy, TxType::Eip2930]
            } else {
                &[TxType::Legacy]
            },
            // Before, touched empty accounts stay (EIP-161); from Amsterdam
            // on, transfers are logged (EIP-7708) and state costs gas of its
            // own (EIP-8037).
            known: spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
                && !spec.is_enabled_in(SpecId::AMSTERDAM),
        }
    }
}

/// A value transfer that is nothing but arithmetic if both accounts have no
/// code and the sender can pay.
///
/// A transaction is one only if everything about it is ordinary. Whatever is
/// not (calldata, an access list, a price below the base fee, a beneficiary
/// that takes part, …) is revm's to judge, so no error needs to be known here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) from: Address,
    pub(crate) to: Address,
    value: U256,
    nonce: u64,
    /// What the sender must have: the value, and the gas limit at the highest
    /// price.
    needed: U256,
    /// What the sender loses: the value, and the gas used at the price paid.
    spent: U256,
    /// What the beneficiary gets.
    pub(crate) reward: U256,
}

impl Transfer {
    /// The transaction at `position`, if it is a plain transfer.
    pub(crate) fn of(
        transactions: &Transactions<'_>,
        position: usize,
        rules: &TransferRules,
    ) -> Option<Self> {
        let signed = transactions.signed(position);
        let TxKind::Call(to) = signed.kind() else { return None };
        let from = transactions.sender(position);
        let is_plain = rules.known
            && rules.kinds.contains(&signed.tx_type())
            && signed.input().is_empty()
            && signed.access_list().is_none_or(|list| list.is_empty())
            && signed.chain_id().is_none_or(|id| id == rules.chain_id)
            && to >= ABOVE_PRECOMPILES
            && from != to
            && from != rules.beneficiary
            && to != rules.beneficiary;
        if !is_plain {
            return None;
        }
        let (value, gas_limit) = (signed.value(), signed.gas_limit());
        let highest = signed.max_fee_per_gas();
        let priority = signed.max_priority_fee_per_gas().unwrap_or(highest);
        let is_ordinary = !value.is_zero()
            && signed.nonce() < u64::MAX
            && (TRANSFER_GAS..=rules.gas_limit_cap).contains(&gas_limit)
            && highest >= rules.base_fee
            && priority <= highest;
        if !is_ordinary {
            return None;
        }
        let price = match signed.max_priority_fee_per_gas() {
            Some(priority) => highest.min(rules.base_fee.saturating_add(priority)),
            None => highest,
        };
        let tip = if rules.burns { price - rules.base_fee } else { price };
        let gas = U256::from(TRANSFER_GAS);
        Some(Self {
            from,
            to,
            value,
            nonce: signed.nonce(),
            needed: U256::from(gas_limit).checked_mul(U256::from(highest))?.checked_add(value)?,
            spent: gas.checked_mul(U256::from(price))?.checked_add(value)?,
            reward: gas.checked_mul(U256::from(tip))?,
        })
    }

    /// The receipt of a transfer after which so much gas is used in its block.
    pub(crate) const fn receipt(kind: TxType, cumulative_gas_used: u64) -> Receipt {
        EthereumReceipt { tx_type: kind, success: true, cumulative_gas_used, logs: Vec::new() }
    }

    /// Sender and recipient after the transfer, given what they are before;
    /// `None` if only revm can tell.
    pub(crate) fn apply(
        &self,
        [sender, recipient]: [Option<AccountBasics>; 2],
    ) -> Option<[AccountBasics; 2]> {
        let (mut sender, mut recipient) = (sender?, recipient.unwrap_or(AccountBasics::NOBODY));
        let is_arithmetic = sender.code_hash == KECCAK_EMPTY
            && recipient.code_hash == KECCAK_EMPTY
            && sender.nonce == self.nonce
            && sender.balance >= self.needed;
        if !is_arithmetic {
            return None;
        }
        sender.nonce += 1;
        sender.balance -= self.spent;
        recipient.balance = recipient.balance.checked_add(self.value)?;
        Some([sender, recipient])
    }
}
