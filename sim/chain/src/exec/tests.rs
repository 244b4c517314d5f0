use std::sync::Arc;

use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{
    AccountState, AccountStatus, BouncePhase, ComputePhase, ComputePhaseSkipReason, CurrencyCollection, IntMsgInfo,
    MsgInfo, OrdinaryTxInfo, OwnedMessage, ShardAccount, StateInit, StdAddr, StorageExtra, Transaction, TxInfo,
};
use tycho_types::num::Tokens;

use super::*;
use crate::chain::account::{genesis_account, no_account};
use crate::chain::address_of;
use crate::exec::fees::NEW_FEES_SINCE_UNIX_S;
use crate::testing::{COIN, broken_order, order, player};
use crate::wallet::{Transfer, Wallet, WalletVersion};

const NOW: u32 = NEW_FEES_SINCE_UNIX_S + 1_000_000;

fn block(fees: &FeeSchedule, version: u32, now: u32) -> BlockContext {
    let config = Config::from_fees(fees, version, now).unwrap();
    BlockContext::new(Arc::new(config), now, 5_000_000, HashBytes::ZERO, None)
}

fn run(block: &BlockContext, to: &StdAddr, message: &Cell, account: &ShardAccount) -> Result<Executed, ExecError> {
    execute_message(block, &mut StorageDictCache::default(), to, message, account, 5_000_001)
}

fn ordinary(executed: &Executed) -> OrdinaryTxInfo {
    match executed
        .transaction
        .parse::<Transaction>()
        .unwrap()
        .load_info()
        .unwrap()
    {
        TxInfo::Ordinary(info) => info,
        TxInfo::TickTock(_) => panic!("ordinary expected"),
    }
}

fn internal(to: &StdAddr, value: u128, bounce: bool, state: Option<StateInit>, body: Cell) -> Cell {
    CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::Int(IntMsgInfo {
            bounce,
            src: StdAddr::new(0, HashBytes([9; 32])).into(),
            dst: to.clone().into(),
            value: CurrencyCollection {
                tokens: Tokens::new(value),
                ..CurrencyCollection::ZERO
            },
            created_lt: 4_000_000,
            created_at: NOW,
            ..IntMsgInfo::default()
        }),
        init: state,
        body: body.into(),
        layout: None,
    })
    .unwrap()
}

fn player_account(balance: u128, filler: u32, paid_at: u32) -> (StdAddr, ShardAccount) {
    let state = player(1, filler);
    // Not the address of this state: a frozen account whose state gives its address is uninitialised instead.
    let address = StdAddr::new(0, HashBytes([1; 32]));
    let account = genesis_account(&address, balance, Some(state), paid_at).unwrap();
    (address, account)
}

/// Gas of published wallets as measured on the network's own code (notes, settlement §4).
#[test]
fn wallets_use_the_gas_they_use_on_the_network() {
    for (version, messages, gas) in [
        (WalletVersion::V4R2, 1, 3_308),
        (WalletVersion::V5R1, 1, 4_939),
        (WalletVersion::V5R1, 4, 7_090),
    ] {
        let wallet = Wallet::new(version, &[3; 32]).unwrap();
        let account = genesis_account(wallet.address(), 10 * COIN, Some(wallet.state().clone()), NOW).unwrap();
        let transfers = vec![Transfer::new(StdAddr::new(0, HashBytes([5; 32])), COIN); messages];
        let order = wallet.order(0, u32::MAX, &transfers).unwrap();
        let executed = run(&block(&FeeSchedule::new(), 15, NOW), wallet.address(), &order, &account).unwrap();
        assert_eq!(executed.phases.gas_used, gas, "{version:?} with {messages} messages");
        assert_eq!(executed.out_messages.len(), messages);
        assert!(!executed.phases.aborted);
        // Conservation within one transaction.
        let sent: u128 = executed
            .out_messages
            .iter()
            .map(|cell| crate::chain::Message::parse(cell.clone()).unwrap())
            .map(|message| message.value_nanoton() + message.forward_fee_nanoton())
            .sum();
        assert_eq!(executed.balance_nanoton + sent + executed.total_fees_nanoton, 10 * COIN);
        // The same order again: the number is used, the code throws before it accepts.
        let replay = run(
            &block(&FeeSchedule::new(), 15, NOW),
            wallet.address(),
            &order,
            &executed.state,
        );
        assert!(
            matches!(replay, Err(ExecError::NotAccepted { exit_code: Some(_) })),
            "{replay:?}"
        );
    }
}

#[test]
fn a_check_of_acceptance_agrees_with_execution() {
    let wallet = Wallet::new(WalletVersion::V4R2, &[3; 32]).unwrap();
    let account = genesis_account(wallet.address(), COIN, Some(wallet.state().clone()), NOW).unwrap();
    let block = block(&FeeSchedule::new(), 15, NOW);
    let check = |order: &Cell| check_external(&block, wallet.address(), order, &account, 0);
    assert_eq!(check(&wallet.order(0, u32::MAX, &[]).unwrap()), Ok(()));
    // A wrong number, an order that is too late, a foreign key.
    for order in [
        wallet.order(1, u32::MAX, &[]).unwrap(),
        wallet.order(0, NOW - 1, &[]).unwrap(),
        {
            let other = Wallet::new(WalletVersion::V4R2, &[4; 32]).unwrap();
            let body = crate::chain::Message::parse(other.order(1, u32::MAX, &[]).unwrap()).unwrap();
            let body = CellBuilder::build_from(body.body().unwrap()).unwrap();
            crate::wallet::external_message(wallet.address(), None, body).unwrap()
        },
    ] {
        assert!(matches!(
            check(&order),
            Err(ExecError::NotAccepted { exit_code: Some(_) })
        ));
    }
    assert!(matches!(
        check_external(
            &block,
            wallet.address(),
            &wallet.order(0, u32::MAX, &[]).unwrap(),
            &no_account().unwrap(),
            0
        ),
        Err(ExecError::Invalid(_))
    ));
}

/// Difference 4: the executor would still run the code of an account that it has just frozen.
#[test]
fn an_account_frozen_by_its_debt_does_not_run() {
    let (address, account) = player_account(1, 200, 1);
    let block = block(&FeeSchedule::old(), 15, NOW);
    let message = internal(&address, COIN, true, None, order(&[]));
    let executed = run(&block, &address, &message, &account).unwrap();
    assert!(executed.phases.frozen);
    assert_eq!(executed.end_status, AccountStatus::Frozen);
    let info = ordinary(&executed);
    let ComputePhase::Skipped(skipped) = info.compute_phase else {
        panic!("{:?}", info.compute_phase)
    };
    // Difference 5: no state came with the message.
    assert_eq!(skipped.reason, ComputePhaseSkipReason::NoState);
    assert!(executed.phases.bounced_back);

    // The old state brings it back, and its debt is paid first.
    let message = internal(&address, 5 * COIN, false, Some(player(1, 200)), order(&[]));
    let thawed = run(&block, &address, &message, &executed.state).unwrap();
    assert_eq!(thawed.end_status, AccountStatus::Active);
    assert!(thawed.phases.storage_fee_nanoton > 0);
    assert_eq!(thawed.phases.exit_code, Some(0));
}

/// An account deleted for its debt that ends with a balance is not gone: its coins would be.
#[test]
fn a_deleted_account_with_a_balance_stays_uninitialised() {
    let (address, account) = player_account(1, 200, 1);
    let old = block(&FeeSchedule::old(), 15, NOW);
    let frozen = run(
        &old,
        &address,
        &internal(&address, COIN, true, None, order(&[])),
        &account,
    )
    .unwrap();
    // Storage two thousand times as dear: soon more than a coin is due, and a value too small to bounce comes in.
    let mut fees = FeeSchedule::old();
    for prices in &mut fees.storage {
        prices.cell_price_ps *= 20_000;
        prices.bit_price_ps *= 20_000;
    }
    let dear = block(&fees, 15, NOW + 500_000_000);
    let executed = run(
        &dear,
        &address,
        &internal(&address, 1_000, true, None, Cell::default()),
        &frozen.state,
    )
    .unwrap();
    assert_eq!(executed.balance_nanoton, 1_000);
    assert!(executed.exists);
    assert_eq!(executed.end_status, AccountStatus::Uninit);
    // Difference 8: the record holds the whole required fee.
    let Some(BouncePhase::NoFunds(record)) = ordinary(&executed).bounce_phase else {
        panic!("no funds expected")
    };
    assert_eq!(record.req_fwd_fees.into_inner(), 400_000);
}

/// Difference 7: the reference never sets these flags.
#[test]
fn deployment_leaves_no_flags() {
    let state = player(1, 0);
    let address = address_of(0, &state).unwrap();
    let message = internal(&address, COIN, true, Some(state), order(&[]));
    let executed = run(
        &block(&FeeSchedule::new(), 15, NOW),
        &address,
        &message,
        &no_account().unwrap(),
    )
    .unwrap();
    assert_eq!(executed.end_status, AccountStatus::Active);
    let ComputePhase::Executed(compute) = ordinary(&executed).compute_phase else {
        panic!("executed expected")
    };
    assert!(!compute.msg_state_used && !compute.account_activated);
}

/// Difference 9, over a whole transaction: 26 cells of code, data and root.
#[test]
fn larger_accounts_carry_the_hash_of_their_storage_dictionary() {
    let block = block(&FeeSchedule::new(), 15, NOW);
    for (filler, expected) in [(22, false), (23, true), (60, true)] {
        let state = player(1, filler);
        let address = address_of(0, &state).unwrap();
        let message = internal(&address, COIN, true, Some(state.clone()), order(&[]));
        let executed = run(&block, &address, &message, &no_account().unwrap()).unwrap();
        let account = executed.state.load_account().unwrap().unwrap();
        assert_eq!(account.storage_stat.used.cells.into_inner(), u64::from(filler) + 3);
        let AccountState::Active(after) = &account.state else {
            panic!("active expected")
        };
        let hash = StorageDictCache::default().hash(after, 26).unwrap();
        assert_eq!(hash.is_some(), expected);
        assert_eq!(
            account.storage_stat.storage_extra,
            hash.map_or(StorageExtra::None, StorageExtra::DictHash)
        );
        // A second transaction that changes no cell keeps it, and the account is what its transaction says it is.
        let again = run(
            &block,
            &address,
            &internal(&address, COIN, true, None, order(&[])),
            &executed.state,
        )
        .unwrap();
        let tx = again.transaction.parse::<Transaction>().unwrap();
        assert_eq!(
            tx.state_update.load().unwrap().new,
            *again.state.account.inner().repr_hash()
        );
        let kept = again.state.load_account().unwrap().unwrap().storage_stat.storage_extra;
        assert_eq!(kept, account.storage_stat.storage_extra);
    }
}

/// Difference 10: a fine for a message that could not be paid for is charged from version 15 on.
/// Difference 11: from version 14 on the whole value is sent back.
#[test]
fn a_failed_action_phase_follows_the_version() {
    let far = StdAddr::new(0, HashBytes([5; 32]));
    // Carry the rest of the value (64) and bounce on errors (16): the second one has nothing left to carry.
    let greedy = |mode| Transfer {
        mode,
        bounce: true,
        ..Transfer::new(far.clone(), 0)
    };
    let body = order(&[
        greedy(64 + 16),
        greedy(64 + 16),
        Transfer {
            mode: 16,
            ..Transfer::new(far.clone(), 900 * COIN)
        },
    ]);
    let returned = |version| {
        let (address, account) = player_account(COIN, 0, NOW);
        let message = internal(&address, COIN, true, None, body.clone());
        let executed = run(&block(&FeeSchedule::new(), version, NOW), &address, &message, &account).unwrap();
        assert_eq!(executed.phases.action_code, Some(37), "version {version}");
        let returned = executed
            .out_messages
            .first()
            .map(|cell| crate::chain::Message::parse(cell.clone()).unwrap());
        let sent = returned
            .as_ref()
            .map_or(0, |message| message.value_nanoton() + message.forward_fee_nanoton());
        assert_eq!(executed.balance_nanoton + sent + executed.total_fees_nanoton, 2 * COIN);
        (
            returned.map(|message| message.value_nanoton()),
            executed.total_fees_nanoton - executed.phases.gas_fee_nanoton,
        )
    };
    // The first message had carried the value away, and the failure did not bring it back.
    assert_eq!(returned(12).0, None);
    assert_eq!(returned(13), returned(12));
    assert!(returned(14).0.is_some_and(|value| value > COIN * 9 / 10));
    // The fine for the message that failed comes out of what is returned.
    assert!(returned(15).0 < returned(14).0 && returned(15).1 > returned(14).1);
}

#[test]
fn a_failed_order_bounces_with_its_value() {
    let (address, account) = player_account(COIN, 0, NOW);
    let block = block(&FeeSchedule::new(), 15, NOW);
    let message = internal(&address, COIN, true, None, broken_order());
    let executed = run(&block, &address, &message, &account).unwrap();
    assert_eq!(executed.phases.exit_code, Some(9));
    assert!(executed.phases.bounced_back);
    let bounced = crate::chain::Message::parse(executed.out_messages[0].clone()).unwrap();
    assert!(bounced.is_bounced());
    assert_eq!(bounced.op, Some(u32::MAX));
    let sent = bounced.value_nanoton() + bounced.forward_fee_nanoton();
    assert_eq!(executed.balance_nanoton + sent + executed.total_fees_nanoton, 2 * COIN);
}

/// Difference 3: with two storage prices in the configuration the getter of the library fails.
#[test]
fn get_methods_run_on_todays_configuration() {
    let wallet = Wallet::new(WalletVersion::V4R2, &[3; 32]).unwrap();
    let account = genesis_account(wallet.address(), COIN, Some(wallet.state().clone()), NOW).unwrap();
    let account = account.load_account().unwrap().unwrap();
    let config = Config::from_fees(&FeeSchedule::new(), 15, NOW).unwrap();
    let seqno = run_get_method(&config, &account, method_id("seqno"), &[], NOW).unwrap();
    assert_eq!((seqno.exit_code, seqno.stack), (0, vec![StackValue::int(0)]));
    let key = run_get_method(&config, &account, method_id("get_public_key"), &[], NOW).unwrap();
    let expected = num_bigint::BigInt::from_bytes_be(num_bigint::Sign::Plus, &wallet.public_key().0);
    assert_eq!(key.stack, [StackValue::Int(expected)]);
    let unknown = run_get_method(&config, &account, method_id("no_such_method"), &[], NOW).unwrap();
    assert_eq!(unknown.exit_code, 11);
    // Arguments of every kind come back as they went in: the method number is on top and is missing, so they stay.
    let arguments = [
        StackValue::Null,
        StackValue::int(-5),
        StackValue::Cell(Cell::default()),
        StackValue::Slice(CellBuilder::build_from(7_u32).unwrap()),
        StackValue::Builder(CellBuilder::build_from(8_u8).unwrap()),
        StackValue::Tuple(vec![StackValue::int(1), StackValue::Tuple(vec![StackValue::Nan])]),
    ];
    assert!(run_get_method(&config, &account, 1, &arguments, NOW).is_ok());
    let deep = (0..100).fold(StackValue::Null, |inner, _| StackValue::Tuple(vec![inner]));
    assert_eq!(
        run_get_method(&config, &account, 1, &[deep], NOW),
        Err(GetMethodError::Argument)
    );
}

#[test]
fn published_wallets_hold_nothing_unsupported() {
    for version in [WalletVersion::V3R2, WalletVersion::V4R2, WalletVersion::V5R1] {
        let scan = scan(&version.code().unwrap());
        assert!(scan.found.is_empty(), "{version:?}: {scan:?}");
        assert_eq!(scan.undecoded, 0, "{version:?}: {scan:?}");
        assert!(scan.instructions > 50, "{version:?}: {scan:?}");
    }
}
