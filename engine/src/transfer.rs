//! Plain value transfers, computed without an EVM.

use crate::{block::Receipt, transactions::Transactions};
use alloy_consensus::{EthereumReceipt, Transaction as _, TxType};
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, TxKind, U256};
use blockloom_state::AccountBasics;
use revm::{
    context::CfgEnv,
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
pub struct TransferRules {
    chain_id: u64,
    pub(crate) beneficiary: Address,
    base_fee: u128,
    /// From London on the base fee is burnt (EIP-1559).
    burns: bool,
    /// The most gas that a transaction may ask for (EIP-7825), in its block.
    max_gas: u64,
    /// The least gas that one pays for (EIP-7623); up to what a transfer uses.
    pub(crate) floor_gas: u64,
    /// Kinds of transaction that the fork has and this module knows.
    kinds: &'static [TxType],
}

impl TransferRules {
    /// The rules in `env`. No transaction is a plain transfer by them unless
    /// they are those of a network and a fork that this module was written for:
    /// nothing switched off, no prices of its own, nothing missing.
    pub fn new(env: &EvmEnv) -> Self {
        let EvmEnv { cfg_env, block_env, .. } = env;
        let spec = cfg_env.spec;
        let gas = cfg_env.gas_params.initial_tx_gas(&[], false, 0, 0, 0, None);
        Self {
            chain_id: cfg_env.chain_id,
            beneficiary: block_env.beneficiary,
            base_fee: u128::from(block_env.basefee),
            burns: spec.is_enabled_in(SpecId::LONDON),
            max_gas: cfg_env.tx_gas_limit_cap().min(block_env.gas_limit),
            floor_gas: gas.floor_gas(),
            kinds: if !is_known(env) {
                &[]
            } else if spec.is_enabled_in(SpecId::LONDON) {
                &[TxType::Legacy, TxType::Eip2930, TxType::Eip1559]
            } else if spec.is_enabled_in(SpecId::BERLIN) {
                &[TxType::Legacy, TxType::Eip2930]
            } else {
                &[TxType::Legacy]
            },
        }
    }
}

/// Whether this module was written for what `env` says.
fn is_known(env: &EvmEnv) -> bool {
    let EvmEnv { cfg_env, block_env, .. } = env;
    let spec = cfg_env.spec;
    // Before, touched empty accounts stay (EIP-161); from Amsterdam on,
    // transfers are logged (EIP-7708) and state costs gas of its own
    // (EIP-8037).
    let is_fork =
        spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) && !spec.is_enabled_in(SpecId::AMSTERDAM);
    // What revm refuses to run without.
    let is_whole = (!spec.is_enabled_in(SpecId::MERGE) || block_env.prevrandao.is_some())
        && (!spec.is_enabled_in(SpecId::CANCUN) || block_env.blob_excess_gas_and_price.is_some());
    is_fork && is_whole && is_of_a_network(cfg_env)
}

/// Whether `cfg` is as its fork has it, but for what transfers have nothing to
/// do with.
fn is_of_a_network(cfg: &CfgEnv) -> bool {
    let mut network = CfgEnv::new_with_spec(cfg.spec).with_chain_id(cfg.chain_id);
    network.limit_contract_code_size = cfg.limit_contract_code_size;
    network.limit_contract_initcode_size = cfg.limit_contract_initcode_size;
    network.max_blobs_per_tx = cfg.max_blobs_per_tx;
    network.blob_base_fee_update_fraction = cfg.blob_base_fee_update_fraction;
    network.tx_gas_limit_cap = cfg.tx_gas_limit_cap;
    network == *cfg
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

/// A call that brings nothing but value.
#[derive(Clone, Copy, Debug)]
struct Call {
    kind: TxType,
    chain_id: Option<u64>,
    from: Address,
    to: Address,
    value: U256,
    nonce: u64,
    gas_limit: u64,
    /// The most it pays for a unit of gas, and the most of that for priority,
    /// if its kind can say so.
    highest: u128,
    priority: Option<u128>,
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
        let has_luggage =
            !signed.input().is_empty() || signed.access_list().is_some_and(|list| !list.is_empty());
        if has_luggage {
            return None;
        }
        let call = Call {
            kind: signed.tx_type(),
            chain_id: signed.chain_id(),
            from: transactions.sender(position),
            to,
            value: signed.value(),
            nonce: signed.nonce(),
            gas_limit: signed.gas_limit(),
            highest: signed.max_fee_per_gas(),
            priority: signed.max_priority_fee_per_gas(),
        };
        Self::new(&call, rules)
    }

    /// The same of a transaction as revm takes it.
    pub(crate) fn of_env(
        tx: &impl revm::context::Transaction,
        rules: &TransferRules,
    ) -> Option<Self> {
        let TxKind::Call(to) = tx.kind() else { return None };
        let has_luggage = !tx.input().is_empty()
            || tx.access_list().is_some_and(|mut list| list.next().is_some())
            || tx.authorization_list_len() > 0
            || !tx.blob_versioned_hashes().is_empty();
        if has_luggage {
            return None;
        }
        let kind = TxType::try_from(tx.tx_type()).ok()?;
        let call = Call {
            kind,
            chain_id: tx.chain_id(),
            from: tx.caller(),
            to,
            value: tx.value(),
            nonce: tx.nonce(),
            gas_limit: tx.gas_limit(),
            highest: tx.gas_price(),
            priority: match kind {
                TxType::Eip1559 => Some(tx.max_priority_fee_per_gas()?),
                _ => None,
            },
        };
        Self::new(&call, rules)
    }

    fn new(call: &Call, rules: &TransferRules) -> Option<Self> {
        let Call { kind, chain_id, from, to, value, nonce, gas_limit, highest, priority } = *call;
        let is_plain = rules.kinds.contains(&kind)
            && chain_id.map_or(kind == TxType::Legacy, |id| id == rules.chain_id)
            && to >= ABOVE_PRECOMPILES
            && from != to
            && from != rules.beneficiary
            && to != rules.beneficiary
            && !value.is_zero()
            && nonce < u64::MAX
            && (TRANSFER_GAS..=rules.max_gas).contains(&gas_limit)
            && highest >= rules.base_fee
            && priority.is_none_or(|priority| priority <= highest);
        if !is_plain {
            return None;
        }
        let price = match priority {
            Some(priority) => highest.min(rules.base_fee.saturating_add(priority)),
            None => highest,
        };
        let tip = if rules.burns { price - rules.base_fee } else { price };
        // revm counts in as many bits, and refuses whoever offers more; all
        // other products are smaller.
        let most = u128::from(gas_limit).checked_mul(highest)?;
        let gas = u128::from(TRANSFER_GAS);
        Some(Self {
            from,
            to,
            value,
            nonce,
            needed: U256::from(most).checked_add(value)?,
            spent: U256::from(gas * price).checked_add(value)?,
            reward: U256::from(gas * tip),
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
        Some([self.debit(sender)?, self.credit(recipient)?])
    }

    /// The sender after the transfer; `None` if only revm can tell.
    pub(crate) fn debit(&self, sender: Option<AccountBasics>) -> Option<AccountBasics> {
        let mut sender = sender?;
        let can_pay = sender.code_hash == KECCAK_EMPTY
            && sender.nonce == self.nonce
            && sender.balance >= self.needed;
        if !can_pay {
            return None;
        }
        sender.nonce += 1;
        sender.balance -= self.spent;
        Some(sender)
    }

    /// The recipient after the transfer; `None` if only revm can tell.
    pub(crate) fn credit(&self, recipient: Option<AccountBasics>) -> Option<AccountBasics> {
        let mut recipient = recipient.unwrap_or(AccountBasics::NOBODY);
        if recipient.code_hash != KECCAK_EMPTY {
            return None;
        }
        recipient.balance = recipient.balance.checked_add(self.value)?;
        Some(recipient)
    }
}
