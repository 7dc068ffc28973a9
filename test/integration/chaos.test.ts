/** Fault tests of the lifecycle controller at a small size: no work is lost, whatever happens to it and to what it depends on. `npm run chaos` runs them at full size. */
import { testScenarios } from "../support/chaos/suite.ts";

testScenarios("burst", "crashes", "apiserver", "upgrade");
