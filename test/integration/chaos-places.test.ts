/** Fault tests of the lifecycle controller at a small size: nodes and replicas that come and go, and people who lend a hand. */
import { testScenarios } from "../support/chaos/suite.ts";

testScenarios("nodes", "replicas", "by-hand");
