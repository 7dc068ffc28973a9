/** Names for workspaces, people and projects that do not exist. */

export const adjectives: readonly string[] = ["amber", "azure", "coral", "crimson", "emerald", "golden", "indigo", "ivory", "jade", "olive", "plum", "rose", "scarlet", "silver", "teal", "violet"];
export const animals: readonly string[] = ["badger", "beaver", "crane", "falcon", "ferret", "gecko", "heron", "ibis", "lynx", "marmot", "mosquito", "otter", "panda", "raven", "stoat", "tapir"];
export const owners: readonly string[] = ["ada", "alan", "barbara", "dennis", "edsger", "frances", "grace", "john", "katherine", "ken", "margaret", "niklaus"];
export const teams: readonly string[] = ["", "compilers", "payments", "platform", "search", "web"];
export const projects: readonly string[] = ["billing-api", "compiler", "docs-site", "mobile-app", "search-index", "storefront"];
