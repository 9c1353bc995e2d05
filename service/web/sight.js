// Scrolls to what has just appeared: gliding, or at once for those who want less motion.

const still = matchMedia("(prefers-reduced-motion: reduce)");

export const bringIntoSight = (element) =>
  element.scrollIntoView({ block: "nearest", behavior: still.matches ? "instant" : "smooth" });
