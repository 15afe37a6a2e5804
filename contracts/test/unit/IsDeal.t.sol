// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "../../src/escrow/Terms.sol";
import {Deals} from "../support/Deals.sol";

contract IsDealTest is Deals {
    function test_knowsItsDeals() external {
        vm.assertTrue(factory.isDeal(address(deal)));
        vm.assertTrue(factory.isDeal(address(_open(_terms(address(0), 36)))));
    }

    function test_deniesWhatItDidNotOpen() external view {
        Terms memory terms = _terms(address(usd), 2);
        vm.assertFalse(factory.isDeal(address(0)));
        vm.assertFalse(factory.isDeal(payer));
        vm.assertFalse(factory.isDeal(address(usd)));
        vm.assertFalse(factory.isDeal(address(factory)));
        vm.assertFalse(factory.isDeal(factory.implementation()));
        vm.assertFalse(factory.isDeal(factory.predict(terms)));
    }

    function test_deniesTheSameCodeElsewhere() external {
        vm.etch(stranger, address(deal).code);
        vm.assertFalse(factory.isDeal(stranger));
    }
}
