//! Hand-shakes that do not fit, and memories that are too good.

use super::*;
use crate::support::{
    handshakes::{balance, head, id, worker_connect},
    lab::lab,
    parties::{Policy, worker_owner},
    peer::{Gone, RawPeer},
    seconds,
};
use chrysalis_wire::objects::{
    WorkerConnectToProxy, WorkerEnabledDisabled, WorkerExtendedCompareBalanceWithProxy, WorkerProxyHandshakeComplete,
    WorkerUpdatePaymentStatus,
};

#[test]
fn a_worker_that_remembers_too_much_is_not_believed() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        for (number, compare) in [
            balance(1, 0, 0),
            balance(0, 1, 1),
            balance(i64::MAX, i64::MAX, i64::MAX),
            balance(1, 1, 1),
        ]
        .iter()
        .enumerate()
        {
            let name = format!("worker-{number}");
            let mut worker = lab.raw_worker_unheard(&name).await.unwrap();
            worker.query(&worker_connect(&worker_owner(&name), 4)).await.unwrap();
            assert!(
                matches!(worker.query(compare).await, Err(Gone::Refused(621, _))),
                "{compare:?}"
            );
            assert!(worker.closed_within(seconds(2)).await);
        }
        // Tokens that were never durable may be lost: whoever agrees goes on, whoever does not stays outside.
        let mut worker = lab.raw_worker_unheard("agrees").await.unwrap();
        worker.query(&worker_connect(&worker_owner("agrees"), 4)).await.unwrap();
        assert_eq!(worker.query(&balance(0, 0, 5)).await.unwrap().error_code, 1);
        let agree = WorkerExtendedCompareBalanceWithProxy {
            tokens_committed_to_db: 0,
            other: Vec::new(),
        };
        assert_eq!(worker.query(&agree).await.unwrap().error_code, 0);
        worker
            .query(&WorkerProxyHandshakeComplete { is_disabled: true })
            .await
            .unwrap();
        assert!(worker.is_alive().await);
        let mut worker = lab.raw_worker_unheard("disagrees").await.unwrap();
        worker
            .query(&worker_connect(&worker_owner("disagrees"), 4))
            .await
            .unwrap();
        assert_eq!(worker.query(&balance(0, 0, i64::MAX)).await.unwrap().error_code, 1);
        let complete = WorkerProxyHandshakeComplete { is_disabled: false };
        assert!(matches!(worker.query(&complete).await, Err(Gone::Refused(621, _))));
        serves(&lab).await;
    });
}

#[test]
fn hand_shakes_that_do_not_fit_are_refused() {
    type Change = fn(&mut WorkerConnectToProxy);
    let changes: [(&str, Change); 12] = [
        ("no capacity", |connect| connect.params.capacity = None),
        ("production", |connect| {
            connect.params.capacity.as_mut().unwrap().is_test = false;
        }),
        ("no slots", |connect| {
            connect.params.capacity.as_mut().unwrap().max_active_requests = 0;
        }),
        ("negative slots", |connect| {
            connect.params.capacity.as_mut().unwrap().max_active_requests = i32::MIN;
        }),
        ("no proxies", |connect| {
            connect.params.capacity.as_mut().unwrap().proxy_cnt = 0;
        }),
        ("negative proxies", |connect| {
            connect.params.capacity.as_mut().unwrap().proxy_cnt = -1;
        }),
        ("negative price", |connect| connect.params.coefficient = -1),
        ("price out of range", |connect| {
            connect.params.coefficient = 1_000_000_000;
        }),
        ("unknown model", |connect| connect.params.model = "other".into()),
        ("no model", |connect| connect.params.model = String::new()),
        ("long model", |connect| connect.params.model = "m".repeat(1 << 20)),
        ("no address", |connect| {
            connect.params.worker_owner_address = "worker".into();
        }),
    ];
    lab(Policy::Tdx, move |lab| async move {
        proxy(&lab).await;
        let env = lab.node("worker-1").env();
        let identity = lab.parties.honest("worker-1", crate::support::parties::WORKER_IMAGE, 2);
        let dial = || RawPeer::connect(&env, crate::support::lab::FOR_WORKERS, &identity);
        for (what, change) in changes {
            let mut worker = dial().await.unwrap();
            let mut connect = worker_connect(&worker_owner("worker-1"), 4);
            change(&mut connect);
            assert!(
                matches!(worker.query(&connect).await, Err(Gone::Refused(621, _))),
                "{what}"
            );
            assert!(worker.closed_within(seconds(2)).await, "{what}");
        }
        // Steps out of order.
        for step in 0..5 {
            let mut worker = dial().await.unwrap();
            match step {
                0 => worker.send_query(1, &balance(0, 0, 0)).await,
                1 => {
                    worker
                        .send_query(1, &WorkerProxyHandshakeComplete { is_disabled: false })
                        .await;
                }
                2 => worker.send_query(1, &WorkerUpdatePaymentStatus {}).await,
                3 => worker.send(&WorkerEnabledDisabled { disabled: 0 }).await,
                _ => worker.send(&head(id(1))).await,
            }
            assert!(worker.closed_within(seconds(2)).await, "step {step}");
        }
        // As many slots and proxies as numbers allow: the division does not overflow, and the limit holds.
        let mut worker = dial().await.unwrap();
        let mut connect = worker_connect(&worker_owner("worker-1"), i32::MAX);
        connect.params.capacity.as_mut().unwrap().proxy_cnt = i32::MAX;
        assert!(worker.query(&connect).await.is_ok());
        serves(&lab).await;
    });
}
