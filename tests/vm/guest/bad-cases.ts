/** What goes wrong on purpose, and how the machine stands it. */
export async function checkBadCases(): Promise<void> {}
